// What the two sides of the HTTP/2 codec are given by their fuzz targets.
import { H2Counters } from '../../../http2/connection/counters.ts';
import { DEFAULT_H2_LIMITS } from '../../../http2/connection/options.ts';
import { FieldTable } from '../../../http2/hpack/field-table.ts';
import { settings } from '../../../http2/test-support/raw-peer.ts';
import { BufferPool } from '../../../sockets/buffer-pool.ts';
import { TimerQueue } from '../../../timers/timer-queue.ts';
import { stillClock } from '../fake-socket.ts';
import { HeadChecks } from '../reference/http2.ts';
import { CountedBits, SyncTurn } from '../sync-turn.ts';

const INPUTS_PER_MEMORY = 4096;

/** The longest input. */
export const MAX_BYTES = 2048;
/** What most inputs begin with. */
export const SETTINGS = settings();
/** Small, so that inputs reach them. */
export const H2_LIMITS = {
  ...DEFAULT_H2_LIMITS,
  maxConcurrentStreams: 8,
  streamWindow: 65_536,
  connectionWindow: 131_072,
  controlBurst: 20,
  maxContinuations: 4,
  head: { maxBytes: 1500, maxFields: 24 },
};

/** Shared by the connections of all inputs, as the connections of a process share it. */
export class Http2Parts {
  readonly timers = new TimerQueue(stillClock);
  readonly turn = new SyncTurn();
  readonly buffers = new BufferPool();
  readonly bits = new CountedBits();
  readonly counters = new H2Counters(this.bits, '');
  readonly checks = new HeadChecks();
  known = new FieldTable();
  #inputs = 0;

  /** The table remembers the inputs before this one, but not for ever. */
  nextInput(): void {
    this.#inputs += 1;
    if (this.#inputs % INPUTS_PER_MEMORY === 0) this.known = new FieldTable();
  }
}
