import type { ForwardAction } from '@weft/evaluator';
import { Deadline, type DeadlineOwner, type TimerQueue } from '../../../timers/timer-queue.ts';
import { coarse, parseGrpcTimeout } from '../grpc.ts';
import type { RoutedStream } from './routed-stream.ts';

/** Which wait of a request ended. */
export const WAIT = { route: 0, perTry: 1, backoff: 2, perTryIdle: 3, duration: 4 } as const;

/** The waits of one request, for those that have any. Arming one again moves it. */
export class RequestWaits {
  readonly #owner: DeadlineOwner;
  readonly #timers: TimerQueue;
  #route: Deadline | undefined;
  #perTry: Deadline | undefined;
  #perTryIdle: Deadline | undefined;
  #backoff: Deadline | undefined;
  #duration: Deadline | undefined;

  /** @param owner is told of a wait's end by its number in `WAIT`. */
  constructor(owner: DeadlineOwner, timers: TimerQueue) {
    this.#owner = owner;
    this.#timers = timers;
  }

  armRoute(ms: number): void {
    this.#route ??= new Deadline(this.#owner, WAIT.route);
    this.#timers.arm(this.#route, ms);
  }

  cancelRoute(): void {
    if (this.#route !== undefined) this.#timers.cancel(this.#route);
  }

  armPerTry(ms: number): void {
    this.#perTry ??= new Deadline(this.#owner, WAIT.perTry);
    this.#timers.arm(this.#perTry, ms);
  }

  armPerTryIdle(ms: number): void {
    this.#perTryIdle ??= new Deadline(this.#owner, WAIT.perTryIdle);
    this.#timers.arm(this.#perTryIdle, ms);
  }

  /** Both of them. */
  cancelPerTry(): void {
    if (this.#perTry !== undefined) this.#timers.cancel(this.#perTry);
    if (this.#perTryIdle !== undefined) this.#timers.cancel(this.#perTryIdle);
  }

  armBackoff(ms: number): void {
    this.#backoff ??= new Deadline(this.#owner, WAIT.backoff);
    this.#timers.arm(this.#backoff, ms);
  }

  armDuration(ms: number): void {
    this.#duration ??= new Deadline(this.#owner, WAIT.duration);
    this.#timers.arm(this.#duration, ms);
  }

  close(): void {
    this.cancelRoute();
    this.cancelPerTry();
    if (this.#backoff !== undefined) this.#timers.cancel(this.#backoff);
    if (this.#duration !== undefined) this.#timers.cancel(this.#duration);
  }
}

/**
 * How long an exchange may last, whatever moves: the route's limit, or what a gRPC caller asks for and the route allows.
 * @returns milliseconds; 0 = no limit.
 */
export function durationLimitMs({ manager, record, head }: RoutedStream, action: ForwardAction): number {
  let limitMs = action.maxStreamDurationMs ?? manager.settings.maxStreamDurationMs;
  const capMs = action.maxGrpcTimeoutMs;
  if (record.grpcStatus >= 0 && capMs !== undefined) {
    const askedMs = parseGrpcTimeout(head?.get('grpc-timeout')) ?? capMs;
    const callMs = capMs > 0 && (askedMs === 0 || askedMs > capMs) ? capMs : askedMs;
    if (callMs > 0 && (limitMs === 0 || callMs < limitMs)) limitMs = callMs;
  }
  return limitMs <= 0 ? 0 : coarse(limitMs);
}
