import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ChildMessage, ParentMessage } from '@weft/contracts';
import { errorMessage, WeftError } from '@weft/kit';

export interface ParentChannelEvents {
  onMessage(message: ParentMessage): void;
  /** Once: the parent is gone, or speaks another language. */
  onClose(reason: string): void;
}

export interface ParentChannel {
  send(message: ChildMessage): void;
  close(): void;
}

// A secret with a long chain is a few kilobytes.
const MAX_LINE_CHARS = 1 << 20;

/** @throws {WeftError} WEFT_PARENT_CHANNEL when the descriptor is not an open socket. */
export function openParentSocket(fd: number): Duplex {
  try {
    return new Socket({ fd, readable: true, writable: true });
  } catch (error) {
    throw new WeftError(
      'WEFT_PARENT_CHANNEL',
      `descriptor ${fd} is not a socket from a parent: ${errorMessage(error)}`,
      {
        cause: error,
        where: '--parent-fd',
        fix: 'Leave out --parent-fd when no supervisor starts the proxy.',
      },
    );
  }
}

/** Newline-delimited JSON with the parent. Nothing that came over it is ever logged. */
export function openParentChannel(socket: Duplex, events: ParentChannelEvents): ParentChannel {
  let buffered = '';
  let closed = false;
  const end = (reason: string): void => {
    if (closed) return;
    closed = true;
    socket.destroy();
    events.onClose(reason);
  };
  const take = (line: string): void => {
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      return end('the parent sent a line that is not JSON');
    }
    if (typeof message === 'object' && message !== null && 'type' in message)
      events.onMessage(message as ParentMessage);
  };
  socket.setEncoding('utf8');
  socket.on('error', (error: Error) => end(error.message));
  socket.on('end', () => end('the parent closed the channel'));
  socket.on('close', () => end('the channel closed'));
  socket.on('data', (chunk: string) => {
    buffered += chunk;
    if (buffered.length > MAX_LINE_CHARS) return end('the parent sent a line that is too long');
    const lines = buffered.split('\n');
    buffered = lines.pop() ?? '';
    for (const line of lines) if (!closed) take(line);
  });
  return {
    send(message) {
      if (!closed) socket.write(`${JSON.stringify(message)}\n`);
    },
    close: () => {
      closed = true;
      socket.destroy();
    },
  };
}
