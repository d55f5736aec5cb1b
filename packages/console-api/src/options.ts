/** Limits of the API, each with its unit in its name. */
export interface ConsoleApiOptions {
  /** Largest request body. */
  readonly bodyLimitBytes: number;
  /** Requests per second that one peer may make for long, and how many at once. */
  readonly requestsPerSecond: number;
  readonly requestBurst: number;
  /** Live streams open at the same time. */
  readonly maxStreams: number;
  /** Time between two pictures on a live stream. */
  readonly streamIntervalMs: number;
  /** A stream whose reader takes nothing for so long is closed. */
  readonly streamStallMs: number;
  readonly linkTtlMs: number;
  readonly sessionIdleMs: number;
  readonly sessionMaxMs: number;
  readonly maxSessions: number;
  /** Wrong tokens in a minute from one peer before its wrong tokens are turned away unread. */
  readonly maxWrongTokens: number;
  /** Largest time range of a query. */
  readonly maxWindowMs: number;
  readonly defaultWindowMs: number;
  /** Charts end so long ago: what is newer has not been reported by every proxy and would look like a fall. */
  readonly reportLagMs: number;
  /** Drawn at most; the rest is counted in `hidden`. */
  readonly maxGraphNodes: number;
  readonly maxGraphEdges: number;
}

export const DEFAULT_OPTIONS: ConsoleApiOptions = {
  // A mebibyte of configuration, each character of which may take two in JSON.
  bodyLimitBytes: 2 * 1024 * 1024 + 4096,
  requestsPerSecond: 100,
  requestBurst: 500,
  maxStreams: 64,
  streamIntervalMs: 2_000,
  streamStallMs: 30_000,
  linkTtlMs: 60_000,
  sessionIdleMs: 60 * 60_000,
  sessionMaxMs: 12 * 60 * 60_000,
  maxSessions: 32,
  maxWrongTokens: 10,
  maxWindowMs: 60 * 60_000,
  defaultWindowMs: 60_000,
  reportLagMs: 2_000,
  maxGraphNodes: 400,
  maxGraphEdges: 800,
};
