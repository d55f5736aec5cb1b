import type { Socket } from 'node:net';
import { Deadline, type TimerQueue } from '../timers/timer-queue.ts';
import { type FirstBytes, inspect, NOTHING_KNOWN } from './first-bytes.ts';

export interface PeekOptions {
  readonly timers: TimerQueue;
  /** 0 = wait as long as it takes. */
  readonly timeoutMs: number;
  /** What a client that says nothing in time gets: a chain for unknown bytes, or the door. */
  readonly continueOnTimeout: boolean;
  readonly http: boolean;
  /** Read before. */
  readonly bytes: Buffer;
}

/**
 * Reads the first bytes of an accepted, paused socket until they tell what it is, and puts them back. `done` gets
 * undefined when the client left or said nothing in time.
 */
export function peek(
  socket: Socket,
  options: PeekOptions,
  done: (facts: FirstBytes | undefined, bytes: Buffer) => void,
): void {
  let { bytes } = options;
  let over = false;
  const finish = (facts: FirstBytes | undefined): void => {
    if (over) return;
    over = true;
    options.timers.cancel(deadline);
    socket.off('readable', onReadable);
    socket.off('close', onClose);
    socket.off('end', onClose);
    done(facts, bytes);
  };
  const onClose = (): void => finish(undefined);
  const onReadable = (): void => {
    for (
      let chunk: Buffer | null = socket.read() as Buffer | null;
      chunk !== null;
      chunk = socket.read() as Buffer | null
    ) {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      const facts = inspect(bytes, options.http);
      if (facts !== 'more') return finish(facts);
    }
  };
  const deadline = new Deadline({ onDeadline: () => finish(options.continueOnTimeout ? NOTHING_KNOWN : undefined) }, 0);
  if (options.timeoutMs > 0) options.timers.arm(deadline, options.timeoutMs);
  if (bytes.length > 0) {
    const facts = inspect(bytes, options.http);
    if (facts !== 'more') return finish(facts);
  }
  socket.on('readable', onReadable);
  socket.once('close', onClose);
  socket.once('end', onClose);
}
