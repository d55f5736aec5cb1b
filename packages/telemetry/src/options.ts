import type { StoreOptions } from './store/telemetry-store.ts';

export interface TelemetryOptions {
  readonly store: StoreOptions;
  /** What proxies keep between two reports. */
  readonly reportIntervalMs: number;
  /** Takes reports only from connections with a certificate of the mesh. */
  readonly requireIdentity: boolean;
  /** Namespaces whose rules hold for the whole mesh, in order. */
  readonly rootNamespaces: readonly string[];
  /** An adapter that has not answered a check by then has failed. */
  readonly adapterTimeoutMs: number;
}

const MIB = 1024 * 1024;

/** Fit for a mesh on one machine. */
export const DEFAULT_OPTIONS: TelemetryOptions = {
  store: {
    maxSeries: 5_000,
    maxSpans: 20_000,
    maxLogs: 20_000,
    maxBatchBytes: 24 * MIB,
    snapshotIntervalMs: 60_000,
    maxJournalBytes: 16 * MIB,
  },
  reportIntervalMs: 1_000,
  requireIdentity: true,
  rootNamespaces: ['istio-system', 'weft-system'],
  adapterTimeoutMs: 5_000,
};
