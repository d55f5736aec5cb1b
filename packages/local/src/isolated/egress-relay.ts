/**
 * The way out of the isolated form: accepts, on the host, what pods call outside, and calls it for them. The listening
 * socket is one of the hub's network namespace; the calls are made from the host's.
 */
import { connect, type Server, type Socket } from 'node:net';
import type { Libc } from '../libc.ts';
import { HOST_ADDRESS, isInside } from './address-plan.ts';

export interface EgressRelay {
  close(): void;
}

export interface EgressRelayOptions {
  /** Where a connection was going before it was redirected. @returns undefined when it was not. */
  readonly destinationOf: (socket: Socket) => Destination | undefined;
  readonly connectTimeoutMs?: number;
  readonly maxConnections?: number;
}

export interface Destination {
  readonly address: string;
  readonly port: number;
}

const CONNECT_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 4_096;

/** @param server listening; it was made in another namespace, or process. */
export function serveEgress(server: Server, options: EgressRelayOptions): EgressRelay {
  const open = new Set<Socket>();
  // What came from another process has the defaults of that class: each side shall end on its own.
  Object.assign(server, { allowHalfOpen: true, pauseOnConnect: true });
  server.maxConnections = options.maxConnections ?? MAX_CONNECTIONS;
  server.on('connection', (inner: Socket) => {
    inner.on('error', () => {});
    const target = targetOf(options.destinationOf(inner));
    if (!target) return inner.resetAndDestroy();
    const outer = connect({ host: target.address, port: target.port, allowHalfOpen: true, noDelay: true });
    const timer = setTimeout(() => inner.resetAndDestroy(), options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS);
    join(inner, outer, open);
    join(outer, inner, open);
    outer.once('connect', () => {
      clearTimeout(timer);
      inner.setNoDelay(true);
      inner.pipe(outer);
      outer.pipe(inner);
    });
    outer.once('close', () => clearTimeout(timer));
  });
  return {
    close() {
      server.close();
      open.forEach((socket) => socket.destroy());
    },
  };
}

/** What breaks at one side breaks at the other, as a reset and not as an end. */
function join(side: Socket, other: Socket, open: Set<Socket>): void {
  open.add(side);
  side.on('error', () => reset(other));
  side.once('close', () => {
    open.delete(side);
    if (!other.destroyed && !side.readableEnded) reset(other);
  });
}

/** Node would leave open what is reset after its end. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

/** Virtual IPs and pods are nowhere outside; one address stands for the host itself. */
function targetOf(destination: Destination | undefined): Destination | undefined {
  if (destination?.address === HOST_ADDRESS) return { address: '127.0.0.1', port: destination.port };
  return destination && !isInside(destination.address) ? destination : undefined;
}

const SOL_IP = 0;
const SO_ORIGINAL_DST = 80;

/** Asks the kernel's connection tracking. */
export function createDestinationOf(libc: Libc): EgressRelayOptions['destinationOf'] {
  const getsockopt = libc.func('int getsockopt(int fd, int level, int name, void *value, void *length)');
  return (socket) => {
    const fd = (socket as Socket & { readonly _handle?: { readonly fd?: number } })._handle?.fd;
    if (fd === undefined || fd < 0) return undefined;
    const value = Buffer.alloc(16);
    if (getsockopt(fd, SOL_IP, SO_ORIGINAL_DST, value, Buffer.from(Uint32Array.of(16).buffer)) !== 0) return undefined;
    const port = value.readUInt16BE(2);
    const address = [...value.subarray(4, 8)].join('.');
    // Not redirected: it says what it is connected to itself.
    return address === socket.localAddress && port === socket.localPort ? undefined : { address, port };
  };
}
