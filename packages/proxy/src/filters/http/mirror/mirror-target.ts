import type { StatsSink } from '../../../ports.ts';

/** What one mirrored cluster has seen, and what is on its way to it. */
export class MirrorTarget {
  inFlight = 0;
  readonly sent: number;
  readonly answered: number;
  readonly failed: number;
  readonly timedOut: number;
  /** It took bodies in more slowly than they came. */
  readonly tooLarge: number;
  /** Too many on their way already. */
  readonly overflow: number;
  readonly cancelled: number;

  constructor(cluster: string, stats: StatsSink) {
    const counter = (name: string): number => stats.counter(`cluster.${cluster}.mirror.${name}`);
    this.sent = counter('sent');
    this.answered = counter('answered');
    this.failed = counter('failed');
    this.timedOut = counter('timed_out');
    this.tooLarge = counter('dropped_body');
    this.overflow = counter('dropped_overflow');
    this.cancelled = counter('cancelled');
  }
}
