/**
 * Listening sockets that this process owns but never polls, so that children started one after another can serve the
 * same queue of connections (docs/decisions/0003). Node has no call for it; libc has.
 */
import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import type { ListeningSocket } from '@weft/contracts';
import { LINUX_SOCKET, WeftError } from '@weft/kit';
import { loadLibc, type Libc } from './libc.ts';

export interface ListenSocket {
  readonly kind: SocketKind;
  readonly address: string;
  readonly port: number;
  readonly fd: number;
  close(): void;
}

export type SocketKind = 'stream' | 'datagram';

export interface ListenSockets {
  /** @throws {WeftError} WEFT_PORT_TAKEN, WEFT_ADDRESS_UNAVAILABLE or WEFT_LISTEN_FAILED. */
  open(address: string, port: number, kind?: SocketKind): ListenSocket;
  /** A socket that a child made, from now on also ours. @returns undefined where the system does not allow it. */
  adopt(pid: number, socket: ListeningSocket): ListenSocket | undefined;
}

const { AF_INET, SOCK_STREAM, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_CLOEXEC, SOL_SOCKET, SO_REUSEADDR } = LINUX_SOCKET;
const BACKLOG = 1024;
// The same on every architecture: pidfd_open(2), pidfd_getfd(2).
const SYS_PIDFD_OPEN = 434;
const SYS_PIDFD_GETFD = 438;
/** For `socket(2)`: IPv4; a stream that never blocks and that no child inherits unasked. */
export const SOCKET_FLAGS = {
  inet: AF_INET,
  stream: SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
  datagram: SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
} as const;

/** @returns undefined where descriptors can not be made (not Linux, or the native call library does not load): children then bind for themselves. */
export function createListenSockets(): ListenSockets | undefined {
  const { libc } = loadLibc();
  return libc && listenSocketsOf(libc);
}

export function listenSocketsOf(libc: Libc): ListenSockets {
  const socket = libc.func('int socket(int domain, int type, int protocol)');
  const setsockopt = libc.func('int setsockopt(int fd, int level, int name, const void *value, unsigned int length)');
  const bind = libc.func('int bind(int fd, const void *address, unsigned int length)');
  const listen = libc.func('int listen(int fd, int backlog)');
  const syscall = libc.func('long syscall(long number, long a, long b, long c)');
  const getsockname = libc.func('int getsockname(int fd, void *address, void *length)');
  const check = (result: number, what: string, address: string, port: number, fd?: number): number => {
    if (result >= 0) return result;
    const errno = libc.errno();
    if (fd !== undefined) closeSync(fd);
    throw listenError(errno, what, address, port);
  };
  return {
    open(address, port, kind = 'stream') {
      const fd = check(socket(SOCKET_FLAGS.inet, SOCKET_FLAGS[kind], 0), 'socket', address, port);
      const one = Buffer.from(Int32Array.of(1).buffer);
      // On a datagram socket it would let other programs take the address, too.
      if (kind === 'stream') check(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, one, 4), 'setsockopt', address, port, fd);
      check(bind(fd, socketAddress(address, port), 16), 'bind', address, port, fd);
      if (kind === 'stream') check(listen(fd, BACKLOG), 'listen', address, port, fd);
      const name = Buffer.alloc(16);
      check(getsockname(fd, name, Buffer.from(Uint32Array.of(16).buffer)), 'getsockname', address, port, fd);
      return owned(kind, address, name.readUInt16BE(2), fd);
    },
    adopt(pid, { address, port, fd }) {
      const process_ = syscall(SYS_PIDFD_OPEN, pid, 0, 0);
      if (process_ < 0) return undefined;
      const copy = syscall(SYS_PIDFD_GETFD, process_, fd, 0);
      closeSync(process_);
      return copy < 0 ? undefined : owned('stream', address, port, copy);
    },
  };
}

function owned(kind: SocketKind, address: string, port: number, fd: number): ListenSocket {
  let open = true;
  return {
    kind,
    address,
    port,
    fd,
    close() {
      if (open) closeSync(fd);
      open = false;
    },
  };
}

/** struct sockaddr_in: family in host order, port and address in network order. */
export function socketAddress(address: string, port: number): Buffer {
  const parts = address.split('.').map(Number);
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) {
    throw new WeftError('WEFT_ADDRESS_UNAVAILABLE', `"${address}" is not an IPv4 address`);
  }
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  Buffer.from(parts).copy(bytes, 4);
  return bytes;
}

function listenError(errno: number, what: string, address: string, port: number): WeftError {
  const where = `${address}:${port}`;
  const { EADDRINUSE, EADDRNOTAVAIL, EACCES } = constants.errno;
  if (errno === EADDRINUSE) return new WeftError('WEFT_PORT_TAKEN', `${where} is in use by another program`, { where });
  if (errno === EADDRNOTAVAIL)
    return new WeftError('WEFT_ADDRESS_UNAVAILABLE', `this machine has no address ${address}`, { where });
  if (errno === EACCES)
    return new WeftError('WEFT_LISTEN_FAILED', `port ${port} needs privileges that this user does not have`, { where });
  return new WeftError('WEFT_LISTEN_FAILED', `${what} failed for ${where} (errno ${errno})`, { where });
}
