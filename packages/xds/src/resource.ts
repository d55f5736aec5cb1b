/** One named message as it goes on the wire. Shared by all proxies that get it, so it is never changed. */
export interface XdsResource {
  readonly name: string;
  /** Differs exactly when the bytes differ; a hash of them is a good choice. */
  readonly version: string;
  /** The encoded message: `value` of the `Any`. */
  readonly bytes: Uint8Array;
}

/** Names that changed, by type URL; `all` when the sender can not say which. Absent types did not change. */
export type ChangeSet = ReadonlyMap<string, ReadonlySet<string> | 'all'>;

/** The union of two change sets; `undefined` stands for "anything may have changed". */
export function mergeChanges(a: ChangeSet | undefined, b: ChangeSet | undefined): ChangeSet | undefined {
  if (a === undefined || b === undefined) return undefined;
  const merged = new Map(a);
  for (const [typeUrl, names] of b) {
    const former = merged.get(typeUrl);
    if (former === undefined) merged.set(typeUrl, names);
    else merged.set(typeUrl, former === 'all' || names === 'all' ? 'all' : new Set([...former, ...names]));
  }
  return merged;
}

/** A node as it introduced itself on its first request. Not to be believed before it was compared with the peer's identity. */
export interface XdsNode {
  readonly id: string;
  readonly cluster: string;
  /** JSON form of the metadata struct. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly locality?: { readonly region: string; readonly zone: string; readonly subZone: string };
  readonly userAgentName: string;
  readonly userAgentVersion: string;
  readonly clientFeatures: readonly string[];
}
