import { connect as connectTcp, Socket, type NetConnectOpts, type SocketConstructorOpts } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';

/** Takes received bytes. They are valid during the call only: the buffer is shared by all sockets of the process. */
export type TakeBytes = (buffer: Buffer, start: number, end: number) => void;

// Bodies come and go in as few calls of the system as their senders' writes allow: 64 KiB would be a third dearer. Where many
// requests share a connection behind this, more than 128 KiB would be too: so much of each waits there.
const READ_BYTES = 128 * 1024;
const RAW_READ_BYTES = 256 * 1024;
const WRITE_HIGH_WATER_BYTES = 64 * 1024;

/** Of servers that accept for `readAccepted`. */
export const ACCEPTED = {
  pauseOnConnect: true,
  allowHalfOpen: true,
  noDelay: true,
  highWaterMark: WRITE_HIGH_WATER_BYTES,
} as const;

/** One buffer that every socket reads into, one after the other; a read is handed on before the next one begins. */
export interface ReadBuffers {
  readonly http: Buffer;
  /** For TCP. */
  readonly raw: Buffer;
}

export function createReadBuffers(): ReadBuffers {
  const raw = Buffer.allocUnsafeSlow(RAW_READ_BYTES);
  return { http: raw.subarray(0, READ_BYTES), raw };
}

interface WithHandle {
  _handle: ({ readStop?: () => void; reading?: boolean } & object) | null;
}

/**
 * Lets an accepted, paused socket read into the shared buffer instead of allocating one per read. Where Node takes none for
 * a socket that is there, or more may wait for the client than the listener's sockets say, it is made anew around its
 * handle; where that is not possible either, 'data' events do the same more slowly.
 * @param writeBytes how much may wait for the client before its answers are held back.
 */
export function readAccepted(
  raw: Socket,
  shared: Buffer,
  take: TakeBytes,
  writeBytes = WRITE_HIGH_WATER_BYTES,
): Socket {
  if (raw.writableHighWaterMark === writeBytes && readInto(raw, shared, take)) {
    raw.allowHalfOpen = true;
    return raw;
  }
  const inner = raw as unknown as WithHandle;
  const handle = inner._handle;
  if (handle === null || typeof handle.readStop !== 'function') return readByEvents(raw, take);
  handle.readStop();
  handle.reading = false;
  inner._handle = null;
  raw.destroy();
  const options = {
    handle,
    allowHalfOpen: true,
    writableHighWaterMark: writeBytes,
    onread: onRead(shared, take),
  };
  return new Socket(options);
}

/** For sockets that can not take a buffer of ours (accepted TLS). */
export function readByEvents<S extends Socket>(socket: S, take: TakeBytes): S {
  socket.on('data', (chunk: Buffer) => take(chunk, 0, chunk.length));
  return socket;
}

/** Lets an accepted TLS socket read into the shared buffer; where that is not possible, 'data' events do. */
export const readSecured = (socket: TLSSocket, shared: Buffer, take: TakeBytes): TLSSocket =>
  readInto(socket, shared, take) ? socket : readByEvents(socket, take);

/**
 * Node has no public word for a buffer of a socket that it did not connect itself, so what it keeps for sockets that it
 * connects is set here. @returns false where it keeps that otherwise, and for a socket that has read something already.
 */
function readInto(socket: Socket, shared: Buffer, take: TakeBytes): boolean {
  const handle = (socket as unknown as WithUserBuffer)._handle;
  if (KEPT === undefined || typeof handle?.useUserBuffer !== 'function' || socket.readableLength > 0) return false;
  const { buffer, callback } = onRead(shared, take);
  Object.assign(socket, { [KEPT.buffer]: buffer, [KEPT.callback]: callback });
  handle.useUserBuffer(buffer);
  return true;
}

interface WithUserBuffer {
  readonly _handle: { useUserBuffer?: (buffer: Uint8Array) => void } | null;
}

/** Under which names a socket keeps the buffer that it reads into, and whom it tells. */
const KEPT = keptNames();

function keptNames(): { readonly buffer: symbol; readonly callback: symbol } | undefined {
  const buffer = Buffer.alloc(1);
  const callback = (): boolean => true;
  const probe = new Socket({ onread: { buffer, callback } } as SocketConstructorOpts);
  const named = (value: unknown): symbol | undefined =>
    Object.getOwnPropertySymbols(probe).find((name) => Reflect.get(probe, name) === value);
  const found = { buffer: named(buffer), callback: named(callback) };
  probe.destroy();
  return found.buffer === undefined || found.callback === undefined
    ? undefined
    : { buffer: found.buffer, callback: found.callback };
}

export interface Beforehand {
  /** A socket made beforehand, not connected; undefined lets Node make one. */
  readonly fd: number | undefined;
  /** What is said before everything else, in the clear. */
  readonly preamble: Buffer | undefined;
}

export function connectPlain(options: NetConnectOpts, shared: Buffer, take: TakeBytes, before: Beforehand): Socket {
  const socket = startPlain(options, shared, take, before.fd);
  if (before.preamble !== undefined) socket.write(before.preamble);
  return socket;
}

function startPlain(options: NetConnectOpts, shared: Buffer, take: TakeBytes, fd: number | undefined): Socket {
  if (fd !== undefined) return adopt(fd, { onread: onRead(shared, take), allowHalfOpen: true }).connect(options);
  return connectTcp({ ...options, noDelay: true, allowHalfOpen: true, onread: onRead(shared, take) } as NetConnectOpts);
}

/** Over a socket that it did not make, TLS offers no buffer of ours. */
export function connectSecure(
  options: ConnectionOptions,
  shared: Buffer,
  take: TakeBytes,
  { fd, preamble }: Beforehand,
): TLSSocket {
  if (fd !== undefined || preamble !== undefined) {
    const where = options as NetConnectOpts;
    const socket = fd === undefined ? connectTcp({ ...where, noDelay: true }) : adopt(fd, {}).connect(where);
    if (preamble !== undefined) socket.write(preamble);
    const secured = readByEvents(connectTls({ ...options, socket }), take);
    // A handshake that is given up must not leave what it ran on.
    secured.once('close', () => socket.destroy());
    return secured;
  }
  return connectTls({ ...options, noDelay: true, onread: onRead(shared, take) } as ConnectionOptions);
}

/** `manualStart`: reading from what is not connected yet would fail. */
const adopt = (fd: number, more: object): Socket =>
  new Socket({
    fd,
    readable: true,
    writable: true,
    manualStart: true,
    noDelay: true,
    ...more,
  } as SocketConstructorOpts);

function onRead(shared: Buffer, take: TakeBytes) {
  return {
    buffer: shared,
    callback(length: number, buffer: Uint8Array): boolean {
      take(buffer as Buffer, 0, length);
      return true;
    },
  };
}
