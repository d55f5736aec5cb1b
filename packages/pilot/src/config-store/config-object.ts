/** The view that the control plane has of user configuration: validated objects from any store, by kind and in order of age. */
import type { ConfigObject } from '@weft/contracts/config';
import { compareText } from '../model/hostname.ts';

/** Which object, and where it was written, so that everything made from it can say so. */
export interface SourceRef {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly file?: string;
  readonly line?: number;
}

/** One object with its spec as the kind's type; `spec` was validated by the store. */
export interface Config<Spec> {
  readonly ref: SourceRef;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Epoch milliseconds; undefined when the object does not say. */
  readonly createdAt: number | undefined;
  readonly spec: Spec;
}

export function refOf(object: ConfigObject): SourceRef {
  const { apiVersion, kind, metadata, source } = object;
  const ref = { apiVersion, kind, namespace: metadata.namespace, name: metadata.name };
  return source === undefined ? ref : { ...ref, file: source.file, line: source.line };
}

/** Kind, namespace and name: unique among all objects. */
export const refKey = (ref: SourceRef): string => `${ref.kind}/${ref.namespace}/${ref.name}`;

/** `/apis/networking.istio.io/v1/namespaces/default/virtual-service/reviews`: Istio's form in resource metadata. */
export function refPath(ref: SourceRef): string {
  const kebab = ref.kind.replaceAll(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase();
  return `/apis/${ref.apiVersion}/namespaces/${ref.namespace}/${kebab}/${ref.name}`;
}

/** The older wins everywhere: creation time, then name, then namespace. Objects without a time count as the oldest. */
export function compareAge(a: Config<unknown>, b: Config<unknown>): number {
  const age = (a.createdAt ?? 0) - (b.createdAt ?? 0);
  return age === 0 ? compareText(a.name, b.name) || compareText(a.namespace, b.namespace) : age;
}

/** Distinct references in a fixed order. */
export function uniqueRefs(refs: Iterable<SourceRef>): readonly SourceRef[] {
  const byKey = new Map<string, SourceRef>();
  for (const ref of refs) byKey.set(refKey(ref), ref);
  return [...byKey.entries()].sort(([a], [b]) => compareText(a, b)).map(([, ref]) => ref);
}
