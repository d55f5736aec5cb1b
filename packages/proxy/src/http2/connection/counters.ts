import type { StatsSink } from '../../ports.ts';

export const H2_COUNTERS = [
  'rx_reset',
  'tx_reset',
  'goaway_sent',
  'rx_messaging_error',
  'framing_error',
  'compression_error',
  'flow_control_error',
  'header_overflow',
  'continuation_flood',
  'premature_reset_flood',
  'ping_flood',
  'settings_flood',
  'priority_flood',
  'window_update_flood',
  'empty_frames_flood',
  'outbound_control_flood',
  'outbound_flood',
  'closed_stream_flood',
  'refused_streams',
  'keepalive_timeout',
  'headers_timeout',
  'tx_flush_timeout',
] as const;
export type H2Counter = (typeof H2_COUNTERS)[number];

/** Counters of all HTTP/2 connections of one side, named as Envoy names its own where it has one. */
export class H2Counters {
  readonly #stats: StatsSink;
  readonly #slots: ReadonlyMap<H2Counter, number>;

  /** @param prefix for example `http2.` or `cluster.x.http2.`. */
  constructor(stats: StatsSink, prefix: string) {
    this.#stats = stats;
    this.#slots = new Map(H2_COUNTERS.map((name) => [name, stats.counter(`${prefix}${name}`)]));
  }

  count(name: H2Counter): void {
    const slot = this.#slots.get(name);
    if (slot !== undefined) this.#stats.add(slot, 1);
  }
}
