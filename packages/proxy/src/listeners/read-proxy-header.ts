import type { Socket } from 'node:net';
import { parseProxyHeader, type ProxyHeader } from '../proxy-protocol/header.ts';
import { Deadline, type TimerQueue } from '../timers/timer-queue.ts';

/** What a listener takes of the PROXY protocol. */
export interface ProxyProtocolRules {
  readonly versions: { readonly 1: boolean; readonly 2: boolean };
  /** Connections may also come without a header. */
  readonly optional: boolean;
}

export interface ReadHeaderOptions {
  readonly rules: ProxyProtocolRules;
  readonly timers: TimerQueue;
  /** 0 = wait as long as it takes. */
  readonly timeoutMs: number;
}

/**
 * Reads the PROXY header off an accepted, paused socket. `done` gets it, or nothing where none is needed, and the bytes
 * behind it; undefined when the connection is not to be served.
 */
export function readProxyHeader(
  socket: Socket,
  { rules, timers, timeoutMs }: ReadHeaderOptions,
  done: (header: ProxyHeader['client'], rest: Buffer | undefined) => void,
): void {
  let bytes: Buffer = Buffer.alloc(0);
  let over = false;
  const finish = (client: ProxyHeader['client'], rest: Buffer | undefined): void => {
    if (over) return;
    over = true;
    timers.cancel(deadline);
    socket.off('readable', onReadable);
    socket.off('close', onClose);
    socket.off('end', onClose);
    done(client, rest);
  };
  const onClose = (): void => finish(undefined, undefined);
  const onReadable = (): void => {
    for (
      let chunk: Buffer | null = socket.read() as Buffer | null;
      chunk !== null;
      chunk = socket.read() as Buffer | null
    ) {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      const parsed = parseProxyHeader(bytes);
      if (parsed === 'more') continue;
      if (parsed === 'none' && rules.optional) return finish(undefined, bytes);
      if (typeof parsed === 'string' || !rules.versions[parsed.version]) return finish(undefined, undefined);
      return finish(parsed.client, bytes.subarray(parsed.length));
    }
  };
  const deadline = new Deadline({ onDeadline: onClose }, 0);
  if (timeoutMs > 0) timers.arm(deadline, timeoutMs);
  socket.on('readable', onReadable);
  socket.once('close', onClose);
  socket.once('end', onClose);
}
