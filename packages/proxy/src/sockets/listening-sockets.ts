// Sockets that several threads accept from. A thread that closes its server closes the descriptor's number for the whole
// process, so each gets a number of its own for the same socket. Node has no call for that; the C library has.
import { closeSync } from 'node:fs';
import { getSystemErrorMap } from 'node:util';
import { parseAddress } from '@weft/evaluator';
import { LINUX_SOCKET } from '@weft/kit';
import { loadLibc } from './libc.ts';

export interface ListeningSockets {
  /** Listens. @returns the descriptor. @throws {Error} with a code, as Node's own. */
  open(address: string, port: number, backlog: number): number;
  /** Another number for the same socket. @throws {Error} with a code. */
  duplicate(fd: number): number;
  close(fd: number): void;
}

const { AF_INET, AF_INET6, SOCK_STREAM, SOCK_NONBLOCK, SOCK_CLOEXEC, SOL_SOCKET, SO_REUSEADDR } = LINUX_SOCKET;
// fcntl(2), on Linux.
const F_DUPFD_CLOEXEC = 1030;
const FIRST_FD = 3;

/** @throws {WeftError} WEFT_NATIVE_CALLS where the C library can not be called. */
export function loadListeningSockets(): ListeningSockets {
  const libc = loadLibc('workers');
  const socket = libc.call('int socket(int domain, int type, int protocol)');
  const setsockopt = libc.call('int setsockopt(int fd, int level, int name, const void *value, unsigned int length)');
  const bind = libc.call('int bind(int fd, const void *address, unsigned int length)');
  const listen = libc.call('int listen(int fd, int backlog)');
  const fcntl = libc.call('int fcntl(int fd, int command, ...)');
  const check = (result: number, what: string, where: string, fd?: number): number => {
    if (result >= 0) return result;
    const errno = libc.errno();
    if (fd !== undefined) closeSync(fd);
    throw systemError(errno, what, where);
  };
  return {
    open(address, port, backlog) {
      const bytes = socketAddress(address, port);
      const where = `${address}:${port}`;
      const fd = check(socket(bytes.readUInt16LE(0), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 'socket', where);
      const one = Buffer.from(Int32Array.of(1).buffer);
      check(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, one, one.length), 'setsockopt', where, fd);
      check(bind(fd, bytes, bytes.length), 'listen', where, fd);
      check(listen(fd, backlog), 'listen', where, fd);
      return fd;
    },
    duplicate: (fd) => check(fcntl(fd, F_DUPFD_CLOEXEC, 'int', FIRST_FD), 'dup', `descriptor ${fd}`),
    close: (fd) => closeSync(fd),
  };
}

/** struct sockaddr_in or sockaddr_in6: the family in host order, port and address in network order. @throws {Error} EINVAL. */
export function socketAddress(address: string, port: number): Buffer {
  const words = parseAddress(address);
  if (words === undefined)
    throw Object.assign(new Error(`listen EINVAL: ${address} is no address`), { code: 'EINVAL' });
  const isV6 = address.includes(':');
  const bytes = Buffer.alloc(isV6 ? 28 : 16);
  bytes.writeUInt16LE(isV6 ? AF_INET6 : AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  if (isV6) words.forEach((word, i) => bytes.writeUInt32BE(word, 8 + 4 * i));
  else bytes.writeUInt32BE(words[3], 4);
  return bytes;
}

/** As Node words it. */
function systemError(errno: number, what: string, where: string): Error {
  const [code, text] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown'];
  return Object.assign(new Error(`${what} ${code}: ${text} ${where}`), { code, errno: -errno });
}
