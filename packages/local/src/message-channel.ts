/** Newline-delimited JSON over a socket: the parent channel's framing, the same at both ends. */
import type { Duplex } from 'node:stream';

export interface MessageChannel<Out> {
  send(message: Out): void;
  close(): void;
}

// A secret with a long chain is a few kilobytes; anything near this is not ours.
const MAX_LINE_BYTES = 1 << 20;

/** Calls `onClose` exactly once, also when the peer sends what is not a message. */
export function openMessageChannel<In, Out>(
  socket: Duplex,
  onMessage: (message: In) => void,
  onClose: (reason: string) => void,
): MessageChannel<Out> {
  let buffered = '';
  let closed = false;
  const end = (reason: string): void => {
    if (closed) return;
    closed = true;
    socket.destroy();
    onClose(reason);
  };
  socket.setEncoding('utf8');
  socket.on('error', (error) => end(error.message));
  socket.on('close', () => end('closed'));
  socket.on('end', () => end('closed by the other side'));
  socket.on('data', (chunk: string) => {
    buffered += chunk;
    if (buffered.length > MAX_LINE_BYTES) return end('a message is too long');
    const lines = buffered.split('\n');
    buffered = lines.pop() ?? '';
    for (const line of lines) {
      if (closed) return;
      let message: In;
      try {
        message = JSON.parse(line) as In;
      } catch {
        return end('a message is not JSON');
      }
      onMessage(message);
    }
  });
  return {
    send(message) {
      if (!closed) socket.write(`${JSON.stringify(message)}\n`);
    },
    close: () => end('closed here'),
  };
}
