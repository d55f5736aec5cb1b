import { Deadline, type DeadlineOwner, type TimerQueue } from '../../timers/timer-queue.ts';
import type { H2Counters } from './counters.ts';
import type { H2Limits } from './options.ts';

const PING = 0;
const PING_ACK = 1;
const STALL = 2;

/** What the look-out asks of its connection. */
export interface LivenessOwner {
  readonly timers: TimerQueue;
  readonly limits: H2Limits;
  readonly counters: H2Counters;
  readonly streams: { readonly size: number };
  readonly stopped: boolean;
  ping(): void;
  /** Nobody is there. */
  lose(detail: string): void;
}

/** Finds out that nobody is there any more: a PING of ours is not answered, or what we send is not read. */
export class Liveness implements DeadlineOwner {
  readonly #owner: LivenessOwner;
  readonly #ping = new Deadline(this, PING);
  readonly #pingAck = new Deadline(this, PING_ACK);
  readonly #stall = new Deadline(this, STALL);
  /** Something has come since the last look. */
  #heard = false;

  constructor(owner: LivenessOwner) {
    this.#owner = owner;
  }

  start(): void {
    const { timers, limits } = this.#owner;
    if (limits.keepalive !== undefined) timers.arm(this.#ping, limits.keepalive.intervalMs);
  }

  onBytes(): void {
    this.#heard = true;
  }

  onPingAck(): void {
    this.#owner.timers.cancel(this.#pingAck);
  }

  /** Nothing more is read from the peer until it has read; called as often as that is so. */
  onStalled(): void {
    const { timers, limits } = this.#owner;
    if (this.#stall.list === undefined) timers.arm(this.#stall, limits.stallMs);
  }

  onUnstalled(): void {
    this.#owner.timers.cancel(this.#stall);
  }

  close(): void {
    const { timers } = this.#owner;
    timers.cancel(this.#ping);
    timers.cancel(this.#pingAck);
    timers.cancel(this.#stall);
  }

  onDeadline(kind: number): void {
    const { counters } = this.#owner;
    if (kind === PING) {
      this.#look();
    } else if (kind === PING_ACK) {
      counters.count('keepalive_timeout');
      this.#owner.lose('keepalive timeout');
    } else {
      counters.count('tx_flush_timeout');
      this.#owner.lose('the peer does not read');
    }
  }

  #look(): void {
    const owner = this.#owner;
    const { keepalive } = owner.limits;
    if (keepalive === undefined || owner.stopped) return;
    if (keepalive.whenSilent !== true || (!this.#heard && owner.streams.size > 0)) {
      owner.ping();
      owner.timers.arm(this.#pingAck, keepalive.timeoutMs);
    }
    this.#heard = false;
    this.start();
  }
}
