import { LOCALITY_LABEL, localityName, localityOf, parseNodeId, type RegisteredWorkload } from '@weft/contracts';
import { WeftError } from '@weft/kit';
import type { XdsNode } from '@weft/xds';
import { workloadKey } from '../model/build-model.ts';
import type { ProxyView } from '../snapshot/proxy-view.ts';

export type NodeFacts = Omit<ProxyView, 'workload' | 'interception'> & {
  /** What it wants where no registry knows better. */
  readonly redirected: boolean;
};

/** What a node says of itself. @throws {WeftError} when the id or the metadata do not have Istio's form. */
export function readNode(node: XdsNode): NodeFacts {
  const parsed = parseNodeId(node.id);
  if (!parsed) {
    throw new WeftError(
      'WEFT_NODE_INVALID',
      `node id "${node.id}" is not type~address~name.namespace~domain with type sidecar or router`,
    );
  }
  const { metadata } = node;
  const namespace = text(metadata['NAMESPACE']) ?? parsed.namespace;
  if (namespace !== parsed.namespace) {
    throw new WeftError(
      'WEFT_NODE_INVALID',
      `node id "${node.id}" is in namespace ${parsed.namespace}, but its metadata says NAMESPACE ${namespace}`,
    );
  }
  const mode = text(metadata['INTERCEPTION_MODE']);
  if (parsed.type === 'sidecar' && mode !== undefined && mode !== 'NONE' && mode !== 'REDIRECT') {
    throw new WeftError(
      'WEFT_NODE_UNSUPPORTED',
      `node "${node.id}" wants INTERCEPTION_MODE ${mode}; NONE and REDIRECT are served`,
    );
  }
  return {
    id: node.id,
    type: parsed.type,
    name: text(metadata['WORKLOAD_NAME']) ?? parsed.name,
    namespace,
    address: parsed.ip,
    serviceAccount: text(metadata['SERVICE_ACCOUNT']) ?? 'default',
    labels: placed(labels(metadata['LABELS']), node),
    redirected: mode === 'REDIRECT',
  };
}

/** The registry's workload for a node: by the name in its id, or by its WORKLOAD_NAME. */
export function findWorkload(
  workloads: ReadonlyMap<string, RegisteredWorkload>,
  facts: NodeFacts,
): RegisteredWorkload | undefined {
  const inId = parseNodeId(facts.id)?.name ?? facts.name;
  return workloads.get(workloadKey(facts.namespace, inId)) ?? workloads.get(workloadKey(facts.namespace, facts.name));
}

/** A proxy gets the configuration of a workload only with that workload's account (its own claims were compared with its certificate before). @returns why not. */
export function foreignWorkload(facts: NodeFacts, workload: RegisteredWorkload | undefined): string | undefined {
  if (!workload || workload.serviceAccount === facts.serviceAccount) return undefined;
  return `workload ${workload.namespace}/${workload.name} runs as ${workload.serviceAccount}, not as ${facts.serviceAccount}`;
}

/** What a node says of its place beside its labels, such as an Envoy by its bootstrap, becomes one. */
function placed(known: Readonly<Record<string, string>>, { locality }: XdsNode): Readonly<Record<string, string>> {
  if (locality === undefined || locality.region === '' || localityOf(known).region !== '') return known;
  return { ...known, [LOCALITY_LABEL]: localityName(locality).replaceAll('/', '.') };
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

function labels(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
