import type { Socket } from 'node:net';

/** A socket's descriptor, a TLS socket's that of the connection under it; -1 for what is closed, or has none. */
export function descriptorOf(socket: Socket): number {
  const { _handle: handle, _parent: parent } = socket as unknown as {
    readonly _handle?: { readonly fd?: number } | null;
    readonly _parent?: Socket | null;
  };
  if (typeof handle?.fd === 'number' && handle.fd >= 0) return handle.fd;
  return parent === undefined || parent === null ? -1 : descriptorOf(parent);
}

/**
 * At the end of what came: Node reports a reset that comes together with bytes as an end, but then there is no peer any
 * more. Where both sides have ended there is none either, and nothing is wrong; Unix sockets never have an address.
 */
export function endedByReset(socket: Socket): boolean {
  if (socket.writableEnded) return false;
  // A socket remembers whom it was connected to, once it was asked; its handle asks the system.
  const { _handle: handle } = socket as unknown as {
    readonly _handle?: { getpeername?: (out: object) => number } | null;
  };
  const hasPeer = handle?.getpeername?.({}) ?? (socket.remoteAddress === undefined ? -1 : 0);
  return hasPeer !== 0 && socket.localAddress !== undefined;
}
