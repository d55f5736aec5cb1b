/** What the rules are built from, as any store of configuration can give it. */
export const MIXER_KINDS = [
  'attributemanifest',
  'handler',
  'instance',
  'rule',
  // Kinds of Istio up to 1.1, whose spec is the parameters alone.
  'prometheus',
  'stdio',
  'denier',
  'metric',
  'logentry',
  'checknothing',
  'reportnothing',
] as const;
export type MixerKind = (typeof MIXER_KINDS)[number];

export interface MixerObject {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: unknown;
}

export interface MixerConfigSource {
  /** Oldest first. */
  list(kind: MixerKind): readonly MixerObject[];
  /** @returns what stops it. */
  subscribe(listener: () => void): () => void;
}
