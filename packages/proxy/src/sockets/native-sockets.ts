/**
 * What only the C library can do with a socket: tell where a redirected connection was going, mark a connection before it
 * is made, tell of the other side of one that is not read (peer-state.ts). Loaded when it is asked for.
 */
import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import type { Socket } from 'node:net';
import { LINUX_SOCKET, WeftError } from '@weft/kit';
import { descriptorOf } from './descriptor.ts';
import { loadLibc } from './libc.ts';

export interface OriginalDestination {
  readonly address: string;
  readonly port: number;
}

/** @returns undefined for a connection that nothing redirected, or that is gone already. */
export type TellOriginalDestination = (socket: Socket) => OriginalDestination | undefined;

/** @param address where it is going to connect: tells IPv4 from IPv6. @returns the descriptor of a socket that is not connected yet. @throws {WeftError} WEFT_SOCKET_MARK. */
export type OpenMarked = (address: string, kind?: 'stream' | 'datagram') => number;

/** The system's calls, with errors as negative results. */
export interface SocketCalls {
  socket(domain: number, type: number, protocol: number): number;
  setsockopt(fd: number, level: number, name: number, value: Buffer, length: number): number;
  getsockopt(fd: number, level: number, name: number, value: Buffer, length: Buffer): number;
  errno(): number;
}

const { AF_INET, AF_INET6, SOCK_STREAM, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_CLOEXEC } = LINUX_SOCKET;
const { SOL_IP, SOL_SOCKET, SOL_IPV6, SO_MARK, SO_ORIGINAL_DST } = LINUX_SOCKET;
const ADDRESS_BYTES = 28;

/** @throws {WeftError} WEFT_NATIVE_CALLS where the C library can not be called. */
export function loadSocketCalls(): SocketCalls {
  const libc = loadLibc('redirected connections');
  return {
    socket: libc.call('int socket(int domain, int type, int protocol)'),
    setsockopt: libc.call('int setsockopt(int fd, int level, int name, const void *value, unsigned int length)'),
    getsockopt: libc.call('int getsockopt(int fd, int level, int name, void *value, void *length)'),
    errno: () => libc.errno(),
  };
}

export function originalDestinations(calls: SocketCalls): TellOriginalDestination {
  // Filled and read within one call each time.
  const value = Buffer.alloc(ADDRESS_BYTES);
  const length = Buffer.alloc(4);
  const ask = (fd: number, level: number): boolean => {
    length.writeUInt32LE(ADDRESS_BYTES);
    return calls.getsockopt(fd, level, SO_ORIGINAL_DST, value, length) >= 0;
  };
  return (socket) => {
    const fd = descriptorOf(socket);
    if (fd < 0) return undefined;
    const remote = socket.remoteAddress ?? '';
    if (!remote.includes(':') || remote.startsWith('::ffff:')) return ask(fd, SOL_IP) ? readIpv4(value) : undefined;
    return ask(fd, SOL_IPV6) ? readIpv6(value) : undefined;
  };
}

/** struct sockaddr_in: port and address in network order. */
const readIpv4 = (bytes: Buffer): OriginalDestination => ({
  address: `${bytes[4]}.${bytes[5]}.${bytes[6]}.${bytes[7]}`,
  port: bytes.readUInt16BE(2),
});

/** struct sockaddr_in6; the address without leading zeros, its longest run of zeros as `::`. */
function readIpv6(bytes: Buffer): OriginalDestination {
  const text = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(8 + 2 * i).toString(16)).join(':');
  const runs = [...text.matchAll(/\b0(?::0)+\b/g)].map((run) => ({ at: run.index, length: run[0].length }));
  const { at, length } = runs.reduce((best, run) => (run.length > best.length ? run : best), { at: 0, length: 0 });
  const address =
    length === 0 ? text : `${text.slice(0, at).replace(/:$/, '')}::${text.slice(at + length).replace(/^:/, '')}`;
  return { address, port: bytes.readUInt16BE(2) };
}

/** @throws {WeftError} WEFT_SOCKET_MARK at once where this process may not mark sockets. */
export function markedSockets(calls: SocketCalls, mark: number): OpenMarked {
  const value = Buffer.from(Uint32Array.of(mark).buffer);
  const open: OpenMarked = (address, kind = 'stream') => {
    const family = address.includes(':') ? AF_INET6 : AF_INET;
    const type = kind === 'datagram' ? SOCK_DGRAM : SOCK_STREAM;
    const fd = calls.socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) throw markError(mark, calls.errno());
    if (calls.setsockopt(fd, SOL_SOCKET, SO_MARK, value, value.length) < 0) {
      const errno = calls.errno();
      closeSync(fd);
      throw markError(mark, errno);
    }
    return fd;
  };
  closeSync(open('0.0.0.0'));
  return open;
}

function markError(mark: number, errno: number): WeftError {
  const forbidden = errno === constants.errno.EPERM;
  return new WeftError(
    'WEFT_SOCKET_MARK',
    forbidden
      ? `this process may not give its connections mark ${mark}`
      : `connections can not be given mark ${mark} (errno ${errno})`,
    {
      where: '--socket-mark',
      ...(forbidden
        ? { fix: 'Give it CAP_NET_ADMIN in its network namespace, or leave --socket-mark out and redirect by user id.' }
        : {}),
    },
  );
}
