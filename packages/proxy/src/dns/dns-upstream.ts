/** Asks another name server what the mesh does not know: by datagram or stream, within a time and a number at once. */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { connect, isIPv6, Socket } from 'node:net';
import { answersQuestion, createFrameReader, type DnsQuery, frame, withId } from '@weft/capture/dns';
import { errorMessage, type Clock, type Random } from '@weft/kit';
import type { OpenMarked } from '../sockets/native-sockets.ts';

/** Where a name server is. */
export type DnsUpstreamAddress =
  | { readonly kind: 'ip'; readonly address: string; readonly port: number }
  /** A stream socket of this machine that speaks DNS as over TCP. */
  | { readonly kind: 'unix'; readonly path: string };

export interface DnsUpstreamDeps {
  readonly upstream: DnsUpstreamAddress;
  readonly clock: Clock;
  readonly random: Random;
  /** For sockets that redirect rules leave alone by their mark. */
  readonly openMarked?: OpenMarked | undefined;
  /** Default 5 s: resolvers ask again after that. */
  readonly upstreamTimeoutMs?: number;
  /** Default 256. */
  readonly maxInFlight?: number;
}

export type UpstreamOutcome =
  | { readonly kind: 'reply'; readonly message: Buffer }
  | { readonly kind: 'failed'; readonly why: 'timeout' | 'overflow' | 'error'; readonly reason: string };

export interface DnsUpstream {
  /** Calls `done` once, with the asker's own id in the message. Datagrams are asked for by datagram, where the server has them. */
  ask(query: DnsQuery, message: Buffer, transport: 'udp' | 'tcp', done: (outcome: UpstreamOutcome) => void): void;
  inFlight(): number;
  /** Ends what is under way; nobody is told. */
  close(): void;
}

const DEFAULT_TIMEOUT_MS = 5_000;
const DEFAULT_MAX_IN_FLIGHT = 256;
const IDS = 65_536;

interface Exchange {
  readonly id: number;
  readonly query: DnsQuery;
  readonly message: Buffer;
  finish(outcome: UpstreamOutcome): void;
}

const failed = (why: 'timeout' | 'overflow' | 'error', reason: string): UpstreamOutcome => ({
  kind: 'failed',
  why,
  reason,
});

export function createDnsUpstream(deps: DnsUpstreamDeps): DnsUpstream {
  const { upstream, clock, random, openMarked } = deps;
  const timeoutMs = deps.upstreamTimeoutMs ?? DEFAULT_TIMEOUT_MS;
  const maxInFlight = deps.maxInFlight ?? DEFAULT_MAX_IN_FLIGHT;
  /** Ends of what is under way. */
  const open = new Set<() => void>();
  return {
    ask(query, message, transport, done) {
      if (open.size >= maxInFlight) {
        done(failed('overflow', `${maxInFlight} questions wait for the name server`));
        return;
      }
      // Of our own choice: an id that somebody else can guess is an answer that somebody else can give.
      const id = random.int(IDS);
      let over = false;
      let end = (): void => {};
      const stop = (): void => {
        over = true;
        timer.cancel();
        open.delete(stop);
        end();
      };
      const finish = (outcome: UpstreamOutcome): void => {
        if (over) return;
        stop();
        done(outcome);
      };
      const timer = clock.after(timeoutMs, () => finish(failed('timeout', `no answer within ${timeoutMs} ms`)));
      open.add(stop);
      const exchange: Exchange = { id, query, message: withId(message, id), finish };
      const byDatagram = upstream.kind === 'ip' && transport === 'udp';
      try {
        end = byDatagram ? askByDatagram(upstream, exchange, openMarked) : askByStream(upstream, exchange, openMarked);
        // It may have failed before anybody could end it.
        if (over) end();
      } catch (error) {
        finish(failed('error', errorMessage(error)));
      }
    },
    inFlight: () => open.size,
    close() {
      for (const stop of open) stop();
    },
  };
}

function settle({ id, query, finish }: Exchange, message: Buffer): boolean {
  if (!answersQuestion(message, id, query)) return false;
  finish({ kind: 'reply', message: withId(message, query.id) });
  return true;
}

/** A socket, and so a source port, for each question: one more thing that a forger would have to guess. */
function askByDatagram(
  { address, port }: Extract<DnsUpstreamAddress, { kind: 'ip' }>,
  exchange: Exchange,
  openMarked: OpenMarked | undefined,
): () => void {
  const socket: DatagramSocket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  let closed = false;
  const close = (): void => {
    if (!closed) socket.close();
    closed = true;
  };
  socket.on('error', (error) => exchange.finish(failed('error', errorMessage(error))));
  // Connected: the kernel drops what comes from elsewhere. What does not fit the question is not the answer.
  socket.on('message', (message: Buffer) => settle(exchange, message));
  const send = (): void => {
    if (closed) return;
    // With a callback, what can not be connected would be told to that alone.
    socket.once('connect', () => {
      if (!closed) socket.send(exchange.message);
    });
    socket.connect(port, address);
  };
  if (openMarked === undefined) send();
  else socket.bind({ fd: openMarked(address, 'datagram') }, send);
  return close;
}

function askByStream(upstream: DnsUpstreamAddress, exchange: Exchange, openMarked: OpenMarked | undefined): () => void {
  const socket = openStream(upstream, openMarked);
  const frames = createFrameReader();
  socket.on('error', (error) => exchange.finish(failed('error', errorMessage(error))));
  socket.on('close', () => exchange.finish(failed('error', 'the name server closed the connection')));
  socket.on('data', (chunk: Buffer) => {
    for (const message of frames.push(chunk)) {
      if (!settle(exchange, message)) exchange.finish(failed('error', 'the answer is not to this question'));
    }
  });
  socket.once('connect', () => socket.write(frame(exchange.message)));
  return () => socket.destroy();
}

function openStream(upstream: DnsUpstreamAddress, openMarked: OpenMarked | undefined): Socket {
  if (upstream.kind === 'unix') return connect(upstream.path);
  const { address, port } = upstream;
  if (openMarked === undefined) return connect(port, address);
  return new Socket({ fd: openMarked(address, 'stream') }).connect(port, address);
}
