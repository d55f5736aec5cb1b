import type { Clock, Logger, Timer } from '@weft/kit';
import type { StatsSink } from '../ports.ts';
import type { Refusal } from './connection-gate.ts';

export interface AcceptControlDeps {
  /** In counters and the log: `listener_manager`, or one listener. */
  readonly name: string;
  readonly hold: () => void;
  readonly open: () => void;
  /** @returns undefined once there is room again. */
  readonly stillShut: (cause: Refusal) => Refusal | undefined;
  readonly stats: Pick<StatsSink, 'counter' | 'gauge' | 'add' | 'set'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Those who wait are looked at so often, for so long: they are refused rather than left without an answer. */
const LOOK_EVERY_MS = 1_000;
const LOOK_MS = 20;
const LOG_EVERY_MS = 60_000;

const WHY: Readonly<Record<Refusal, string>> = {
  connections: 'as many connections as are allowed are open',
  memory: 'too much memory is in use',
  descriptors: 'no descriptors are left',
};

/**
 * Stops listeners from accepting while there is no room, so that a flood of connections costs the system's queue and not
 * this process. Nobody waits in vain: once a second the queue is emptied, and whoever has no place is refused.
 */
export class AcceptControl {
  readonly #deps: AcceptControlDeps;
  readonly #stopped: Readonly<Record<Refusal, number>>;
  readonly #active: number;
  readonly #loggedMs = new Map<Refusal, number>();
  #cause: Refusal | undefined;
  #timer: Timer | undefined;
  #held = false;

  constructor(deps: AcceptControlDeps) {
    this.#deps = deps;
    const { name, stats } = deps;
    const counter = (cause: Refusal): number => stats.counter(`${name}.accept_stopped.${cause}`);
    this.#stopped = {
      connections: counter('connections'),
      memory: counter('memory'),
      descriptors: counter('descriptors'),
    };
    this.#active = stats.gauge(`${name}.accept_stopped.active`);
  }

  /** Nothing is accepted at this moment. */
  get held(): boolean {
    return this.#held;
  }

  shut(cause: Refusal): void {
    if (this.#cause !== undefined) return;
    const { stats } = this.#deps;
    this.#cause = cause;
    stats.add(this.#stopped[cause], 1);
    stats.set(this.#active, 1);
    this.#log(cause);
    this.#hold();
  }

  /** Something was given back. */
  look(): void {
    const cause = this.#cause;
    if (cause === undefined) return;
    // Descriptors are looked for by opening some: not at the end of every connection.
    if (cause === 'connections' && this.#deps.stillShut(cause) === undefined) this.#open();
  }

  close(): void {
    this.#timer?.cancel();
  }

  #hold(): void {
    this.#held = true;
    this.#deps.hold();
    this.#timer = this.#deps.clock.after(LOOK_EVERY_MS, () => this.#lookAgain());
  }

  #lookAgain(): void {
    if (this.#cause === undefined) return;
    const cause = this.#deps.stillShut(this.#cause);
    if (cause === undefined) return this.#open();
    this.#cause = cause;
    this.#held = false;
    this.#deps.open();
    this.#timer = this.#deps.clock.after(LOOK_MS, () => {
      if (this.#cause !== undefined) this.#hold();
    });
  }

  #open(): void {
    const { stats, open, logger, name } = this.#deps;
    this.#timer?.cancel();
    this.#cause = undefined;
    this.#held = false;
    stats.set(this.#active, 0);
    logger.debug({ name }, 'connections are accepted again');
    open();
  }

  /** At the edge of a limit this comes and goes all the time. */
  #log(cause: Refusal): void {
    const { clock, logger, name } = this.#deps;
    const lastMs = this.#loggedMs.get(cause);
    if (lastMs !== undefined && clock.now() - lastMs < LOG_EVERY_MS) return;
    this.#loggedMs.set(cause, clock.now());
    logger.warn({ name, cause }, `no connections are accepted: ${WHY[cause]}`);
  }
}
