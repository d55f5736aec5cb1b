// Node has no word for leaving connections in the system's queue for a while. Below it, one watcher serves both for
// accepting and for reading, so that stopping to "read" a listening socket stops it from accepting.
import type { Server } from 'node:net';

interface Watched {
  readonly _handle: { readStart?(): number; readStop?(): number } | null;
}

const handleOf = (server: Server): Watched['_handle'] => (server as unknown as Watched)._handle;

// Reads already: nothing was held.
const EALREADY = -114;

/**
 * Takes nothing more from the queue; what is being taken in this turn still comes. It can be done for sockets that came
 * as a descriptor. @returns false where it can not.
 */
export function holdQueue(server: Server): boolean {
  const handle = handleOf(server);
  if (handle === null || handle.readStart === undefined || handle.readStop === undefined) return false;
  const started = handle.readStart();
  if (started !== 0 && started !== EALREADY) return false;
  return handle.readStop() === 0;
}

export function openQueue(server: Server): void {
  handleOf(server)?.readStart?.();
}
