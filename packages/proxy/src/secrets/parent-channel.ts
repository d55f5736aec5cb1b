import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ChildMessage, ParentMessage } from '@weft/contracts';
import { errorMessage, openMessageChannel, WeftError } from '@weft/kit';

export interface ParentChannelEvents {
  onMessage(message: ParentMessage): void;
  /** Once: the parent is gone, or speaks another language. */
  onClose(reason: string): void;
}

export interface ParentChannel {
  send(message: ChildMessage): void;
  close(): void;
}

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

/** What comes over it is a message of the parent, or is passed over. */
export function openParentChannel(socket: Duplex, events: ParentChannelEvents): ParentChannel {
  let closed = false;
  const channel = openMessageChannel<unknown, ChildMessage>(
    socket,
    (message) => {
      if (typeof message === 'object' && message !== null && 'type' in message)
        events.onMessage(message as ParentMessage);
    },
    (reason) => {
      // Closed on this side is no news.
      if (!closed) events.onClose(reason);
    },
  );
  return {
    send: (message) => channel.send(message),
    close() {
      closed = true;
      channel.close();
    },
  };
}
