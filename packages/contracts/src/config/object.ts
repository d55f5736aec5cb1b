import type { KindName, SpecOf } from './kinds.ts';

/** Metadata of an object. The last five are kept by the store, not by the user. */
export interface ObjectMeta {
  readonly name: string;
  /** Empty for kinds that have no namespace. */
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** RFC 3339. Older objects win ties, as in Istio. */
  readonly creationTimestamp?: string;
  readonly uid?: string;
  /** Grows with every change in the store. */
  readonly resourceVersion?: string;
  /** Grows with every change of the spec. */
  readonly generation?: number;
}

/** Where an object was read. Lines and columns count from 1. */
export interface SourcePosition {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A validated object of configuration: defaults not filled in, names in camelCase, deeply frozen. */
export interface ConfigObject<Kind extends KindName = KindName> {
  readonly apiVersion: string;
  readonly kind: Kind;
  readonly metadata: ObjectMeta;
  readonly spec: SpecOf<Kind>;
  readonly source?: SourcePosition;
}

/** Names one object. `namespace` is empty for kinds that have none. */
export interface ConfigRef {
  readonly kind: KindName;
  readonly namespace: string;
  readonly name: string;
}

/** A ConfigRef as a map key: `kind/namespace/name`. */
export type ConfigKey = `${KindName}/${string}/${string}`;

export const configKey = (ref: ConfigRef): ConfigKey => `${ref.kind}/${ref.namespace}/${ref.name}`;

export const refOf = (object: ConfigObject): ConfigRef => ({
  kind: object.kind,
  namespace: object.metadata.namespace,
  name: object.metadata.name,
});

/** Narrows an object to one kind. */
export const isKind = <Kind extends KindName>(object: ConfigObject, kind: Kind): object is ConfigObject<Kind> =>
  object.kind === kind;

/** Istio’s order for conflicts: the older object first, then by name, then by namespace. */
export function byAge(a: ConfigObject, b: ConfigObject): number {
  return (
    compare(a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? '') ||
    compare(a.metadata.name, b.metadata.name) ||
    compare(a.metadata.namespace, b.metadata.namespace)
  );
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
