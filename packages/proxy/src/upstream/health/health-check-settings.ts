/** How a cluster asks its hosts whether they are well. */
export interface HealthCheckSettings {
  readonly probe: ProbeSettings;
  readonly timeoutMs: number;
  readonly intervalMs: number;
  /** 0 = all begin at once. */
  readonly initialJitterMs: number;
  readonly jitterMs: number;
  /** Of the interval. */
  readonly jitterPercent: number;
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
  /** While nobody calls the cluster. */
  readonly noTrafficIntervalMs: number;
  readonly noTrafficHealthyIntervalMs: number;
  readonly unhealthyIntervalMs: number;
  /** While a change is about to be believed. */
  readonly unhealthyEdgeIntervalMs: number;
  readonly healthyEdgeIntervalMs: number;
  /** undefined = the port of the host. */
  readonly port: number | undefined;
  readonly reuseConnection: boolean;
}

/** Status codes from (included) to (excluded). */
export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

export type ProbeSettings =
  | {
      readonly kind: 'http';
      readonly method: string;
      readonly host: string;
      readonly path: string;
      readonly headers: readonly (readonly [name: string, value: string])[];
      readonly expected: readonly StatusRange[];
      /** Failures that count towards the threshold; others are believed at once. */
      readonly retriable: readonly StatusRange[];
    }
  | {
      readonly kind: 'tcp';
      readonly send: Buffer;
      /** To be found in the answer, one after the other. */
      readonly receive: readonly Buffer[];
    }
  | { readonly kind: 'grpc'; readonly service: string; readonly authority: string };
