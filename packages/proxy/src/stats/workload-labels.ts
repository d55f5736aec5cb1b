// Who a workload is, as metrics and logs name it, and where.
import { localityOf, type Locality } from '@weft/contracts';

export interface WorkloadLabels {
  readonly workload: string;
  readonly namespace: string;
  readonly canonicalService: string;
  readonly canonicalRevision: string;
  readonly app: string;
  readonly version: string;
  readonly cluster: string;
}

const UNKNOWN: WorkloadLabels = {
  workload: '',
  namespace: '',
  canonicalService: '',
  canonicalRevision: '',
  app: '',
  version: '',
  cluster: '',
};

/** Reads "name;namespace;canonical service;canonical revision;cluster", as endpoint metadata has it. App and version follow the canonical ones. */
export function parseWorkload(text: string): WorkloadLabels {
  if (text === '') return UNKNOWN;
  const [workload = '', namespace = '', canonicalService = '', canonicalRevision = '', cluster = ''] = text.split(';');
  return {
    workload,
    namespace,
    canonicalService,
    canonicalRevision,
    app: canonicalService,
    version: canonicalRevision,
    cluster,
  };
}

export const formatWorkload = (labels: WorkloadLabels): string =>
  [labels.workload, labels.namespace, labels.canonicalService, labels.canonicalRevision, labels.cluster].join(';');

type Metadata = Readonly<Record<string, unknown>>;

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const record = (value: unknown): Metadata =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Metadata) : {};

/** Where a node's labels say that it is. */
export const localityOfMetadata = (metadata: Metadata): Locality =>
  localityOf(
    Object.fromEntries(Object.entries(record(metadata['LABELS'])).map(([name, value]) => [name, text(value)])),
  );

/** Reads a node's metadata (Istio's bootstrap and peer exchange use the same names). */
export function workloadOfMetadata(metadata: Metadata): WorkloadLabels {
  const labels = record(metadata['LABELS']);
  const workload = text(metadata['WORKLOAD_NAME']);
  const canonicalService =
    text(labels['service.istio.io/canonical-name']) ||
    text(labels['app.kubernetes.io/name']) ||
    text(labels['app']) ||
    workload;
  const canonicalRevision =
    text(labels['service.istio.io/canonical-revision']) ||
    text(labels['app.kubernetes.io/version']) ||
    text(labels['version']) ||
    'latest';
  return {
    workload,
    namespace: text(metadata['NAMESPACE']),
    canonicalService,
    canonicalRevision,
    app: text(labels['app']) || canonicalService,
    version: text(labels['version']) || canonicalRevision,
    cluster: text(metadata['CLUSTER_ID']),
  };
}
