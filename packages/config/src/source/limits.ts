/** Bounds on what is read, so that no text can cost much. */
export interface ReadLimits {
  readonly maxBytes: number;
  readonly maxDocuments: number;
  /** Nesting of lists and objects. */
  readonly maxDepth: number;
  /** Values made by expanding aliases and merges count each time. */
  readonly maxValues: number;
}

export const DEFAULT_READ_LIMITS: ReadLimits = {
  maxBytes: 4 * 1024 * 1024,
  maxDocuments: 10_000,
  maxDepth: 100,
  maxValues: 500_000,
};
