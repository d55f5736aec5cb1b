/**
 * What one question found out. `failed-now`: the host itself says that it is not well; `failed` may be chance.
 * `no-answer` is a failure of the network.
 */
export type ProbeResult = 'passed' | 'failed' | 'failed-now' | 'no-answer';

export interface ProbeOwner {
  /** Exactly once, unless the probe was cancelled. */
  onProbed(result: ProbeResult): void;
}

/** One question in progress. */
export interface Probe {
  /** No answer is wanted any more. */
  cancel(): void;
}
