/** What Node has no call for: marks on sockets, and where a redirected connection was going. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { Socket } from 'node:net';
import koffi from 'koffi';

const libc = koffi.load('libc.so.6');
const socket = libc.func('int socket(int domain, int type, int protocol)');
const setsockopt = libc.func('int setsockopt(int fd, int level, int name, const void *value, unsigned int length)');
const getsockopt = libc.func('int getsockopt(int fd, int level, int name, void *value, void *length)');
const bind = libc.func('int bind(int fd, const void *address, unsigned int length)');
const connect = libc.func('int connect(int fd, const void *address, unsigned int length)');

const [AF_INET, SOCK_STREAM, SOL_SOCKET, SOL_IP, SOL_IPV6, SO_MARK, SO_ORIGINAL_DST] = [2, 1, 1, 0, 41, 36, 80];

const check = (result: unknown, what: string): number => {
  if (typeof result === 'number' && result >= 0) return result;
  throw new Error(`${what}: errno ${koffi.errno()}`);
};

function sockaddr(address: string, port: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  Buffer.from(address.split('.').map(Number)).copy(bytes, 4);
  return bytes;
}

const fdOf = (holder: object): number => (holder as { _handle: { fd: number } })._handle.fd;

const setMark = (fd: number, mark: number): number =>
  check(setsockopt(fd, SOL_SOCKET, SO_MARK, Buffer.from(Uint32Array.of(mark).buffer), 4), 'SO_MARK');

/** A connection that carries a mark, or comes from a chosen address, from its first packet on. */
export function connectFrom(
  address: string,
  port: number,
  { mark = 0, source }: { readonly mark?: number; readonly source?: string },
): Socket {
  const fd = check(socket(AF_INET, SOCK_STREAM, 0), 'socket');
  if (mark !== 0) setMark(fd, mark);
  if (source !== undefined) check(bind(fd, sockaddr(source, 0), 16), 'bind');
  // The kernel answers for a listening socket, so this does not wait for our own loop.
  check(connect(fd, sockaddr(address, port), 16), `connect ${address}:${port}`);
  return new Socket({ fd, readable: true, writable: true });
}

/** @returns `address:port`, or why there is none. */
export function originalDestination(connection: Socket): string {
  const isV6 = connection.remoteFamily === 'IPv6';
  const name = Buffer.alloc(28);
  const length = Buffer.from(Uint32Array.of(name.length).buffer);
  if (getsockopt(fdOf(connection), isV6 ? SOL_IPV6 : SOL_IP, SO_ORIGINAL_DST, name, length) !== 0)
    return `errno ${koffi.errno()}`;
  const groups = name.subarray(8, 24).toString('hex').match(/.{4}/g) ?? [];
  const address = isV6 ? new URL(`http://[${groups.join(':')}]`).hostname : name.subarray(4, 8).join('.');
  return `${address}:${name.readUInt16BE(2)}`;
}

export async function udpSocket(mark: number, port = 0): Promise<UdpSocket> {
  const made = createSocket('udp4');
  await new Promise<void>((resolve) => made.bind(port, resolve));
  if (mark !== 0) setMark(udpFd(made), mark);
  return made;
}

/** dgram keeps its handle behind a symbol. */
function udpFd(made: UdpSocket): number {
  const state = Object.getOwnPropertySymbols(made).find((symbol) => symbol.description === 'state symbol');
  if (state === undefined) throw new Error('this Node keeps the handle of a UDP socket elsewhere');
  return (Reflect.get(made, state) as { handle: { fd: number } }).handle.fd;
}
