import type { Socket } from 'node:net';
import type { PeerState, TellPeerState } from './peer-state.ts';
import { Deadline, type TimerQueue } from '../timers/timer-queue.ts';

// Short for who waits for a place that somebody left keeps; long beside the pauses of a request that moves.
const EVERY_MS = 2_000;
// An end behind bytes that nobody takes does not come. But the system of a client that is gone forgets it in minutes, that
// of a host that fell silent is not there: both show when they are asked whether they are.
const PROBE_AFTER_MS = 30_000;

/** What is asked of the connection that is held back. */
export interface HeldClient {
  /** Whether a client that has ended its side can be waited for. @param quietMs how long it has been so, and nothing was read. */
  mayStay(peer: PeerState, quietMs: number): boolean;
  onLeft(): void;
}

/**
 * Looks now and then after a client that is not read from, since an upstream takes nothing: whether it is still there.
 * While bytes move it costs a comparison a pause.
 */
export class PausedClient {
  readonly #socket: Socket;
  readonly #timers: TimerQueue;
  readonly #tell: TellPeerState;
  readonly #client: HeldClient;
  readonly #wait: Deadline;
  #bytesRead = -1;
  #quietMs = 0;
  #probed = false;

  constructor(socket: Socket, timers: TimerQueue, tell: TellPeerState, client: HeldClient) {
    this.#socket = socket;
    this.#timers = timers;
    this.#tell = tell;
    this.#client = client;
    this.#wait = new Deadline(this, 0);
  }

  /** It was paused. */
  watch(): void {
    if (this.#wait.list === undefined) this.#timers.arm(this.#wait, EVERY_MS);
  }

  stop(): void {
    this.#timers.cancel(this.#wait);
  }

  onDeadline(): void {
    const socket = this.#socket;
    // Its end shows by itself.
    if (!socket.isPaused()) return;
    const peer = this.#tell(socket);
    const goesOn = peer.side === 'there' || this.#bytesRead !== socket.bytesRead;
    this.#quietMs = goesOn ? 0 : this.#quietMs + EVERY_MS;
    this.#bytesRead = socket.bytesRead;
    const left = peer.side === 'gone' || (peer.side === 'ended' && !this.#client.mayStay(peer, this.#quietMs));
    if (left) this.#client.onLeft();
    else {
      this.#probe();
      this.watch();
    }
  }

  #probe(): void {
    if (this.#probed) return;
    this.#probed = true;
    this.#socket.setKeepAlive(true, PROBE_AFTER_MS);
  }
}
