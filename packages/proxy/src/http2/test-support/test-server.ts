// H2ServerConnection behind a real port, with an application that answers what its paths say.
import { createServer, type AddressInfo } from 'node:net';
import type { ReasonCode } from '@weft/contracts';
import { type Clock, systemClock, systemRandom } from '@weft/kit';
import { FieldsHead } from '../../head/fields-head.ts';
import type { HeadView } from '../../head/head-view.ts';
import type { ExchangeSource } from '../../http/connections.ts';
import type { DownstreamConnection, DownstreamStream, RequestReceiver } from '../../http/streams.ts';
import { RecordingStats } from '../../test-support/harness.ts';
import { BufferPool } from '../../sockets/buffer-pool.ts';
import { TimerQueue } from '../../timers/timer-queue.ts';
import { H2Counters } from '../connection/counters.ts';
import { DEFAULT_H2_LIMITS, type H2Limits } from '../connection/options.ts';
import { H2ServerConnection, type H2ServerOptions } from '../connection/server-connection.ts';
import { WriteTurn } from '../frames/write-turn.ts';
import { FieldTable } from '../hpack/field-table.ts';

export const anyConnection: DownstreamConnection = {
  id: 1, directPort: 1, directLocalAddress: '127.0.0.1', directLocalPort: 2, filterChain: '',
  remoteAddress: '127.0.0.1',
  directAddress: '127.0.0.1', remotePort: 1, localAddress: '127.0.0.1', localPort: 2, secure: false, peerPrincipal: '',
  ownPrincipal: '', peerFingerprint: '', peerSubject: '', requestedServerName: '', peerWorkload: '', peerKey: '',
}; // prettier-ignore

export const h2Shared = (clock: Clock = systemClock) => ({
  known: new FieldTable(),
  turn: new WriteTurn(),
  buffers: new BufferPool(),
  timers: new TimerQueue(clock),
  random: systemRandom,
});

/** One exchange as the test's application saw it. */
export class Exchange implements RequestReceiver {
  readonly stream: DownstreamStream;
  head: HeadView | undefined;
  body: Buffer[] = [];
  trailers: string[] | undefined;
  ended = false;
  pauses = 0;
  aborted: ReasonCode | undefined;
  overs = 0;
  onWritable: () => void = () => {};
  readonly #answer: (exchange: Exchange) => void;

  constructor(stream: DownstreamStream, answer: (exchange: Exchange) => void) {
    this.stream = stream;
    this.#answer = answer;
  }

  get text(): string {
    return Buffer.concat(this.body).toString('latin1');
  }
  onRequestHead(head: HeadView, last: boolean): void {
    this.head = head;
    this.ended = last;
    this.#answer(this);
  }
  onRequestData(buffer: Buffer, start: number, end: number, last: boolean): void {
    if (end > start) this.body.push(Buffer.from(buffer.subarray(start, end)));
    if (!last) return;
    this.ended = true;
    this.#answer(this);
  }
  onRequestTrailers(trailers: HeadView): void {
    this.trailers = [];
    trailers.forEach((name, value) => this.trailers?.push(`${name}: ${value}`));
    this.ended = true;
    this.#answer(this);
  }
  onRequestPause(): void {
    this.pauses += 1;
  }
  onDownstreamWritable(): void {
    this.onWritable();
  }
  onRequestAborted(reason: ReasonCode): void {
    this.aborted = reason;
  }
  onExchangeOver(): void {
    this.overs += 1;
  }
}

/** The whole request, then its body and trailers back. */
export function echo(exchange: Exchange): void {
  if (!exchange.ended) return;
  const { stream, head, trailers } = exchange;
  const body = Buffer.concat(exchange.body);
  const answer = FieldsHead.response(200);
  answer.add('x-method', head?.get(':method') ?? '');
  answer.add('Content-Length', String(body.length));
  stream.sendHead(200, answer, false);
  stream.sendData(body, 0, body.length, trailers === undefined);
  if (trailers === undefined) return;
  const end = FieldsHead.response(0);
  for (const line of trailers) end.add(line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2));
  stream.sendTrailers(end);
}

export interface TestH2Server extends AsyncDisposable {
  readonly port: number;
  readonly exchanges: Exchange[];
  readonly connections: H2ServerConnection[];
  readonly refused: ReasonCode[];
  readonly timers: TimerQueue;
  closed: number;
  draining: boolean;
  count(name: string): number;
}

export async function serveH2(
  answer: (exchange: Exchange) => void = echo,
  options: Partial<H2ServerOptions> = {},
  limits: Partial<H2Limits> = {},
  clock: Clock = systemClock,
): Promise<TestH2Server> {
  const shared = h2Shared(clock);
  const stats = new RecordingStats();
  const counters = new H2Counters(stats, 'http2.');
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  const made: TestH2Server = {
    port: 0,
    exchanges: [],
    connections: [],
    refused: [],
    timers: shared.timers,
    closed: 0,
    draining: false,
    count: (name) => stats.valueOf(`http2.${name}`),
    async [Symbol.asyncDispose]() {
      for (const connection of made.connections) connection.destroy();
      shared.timers.close();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const source: ExchangeSource = {
    newExchange(stream) {
      const exchange = new Exchange(stream, answer);
      made.exchanges.push(exchange);
      return exchange;
    },
    refuse(stream, reason) {
      made.refused.push(reason);
      if (reason === 'http2-protocol-error') return;
      stream.sendHead(431, FieldsHead.response(431), true);
    },
    get draining() {
      return made.draining;
    },
    onConnectionClosed() {
      made.closed += 1;
    },
  };
  server.on('connection', (socket) => {
    const connection = new H2ServerConnection(
      socket,
      anyConnection,
      source,
      shared,
      {
        limits: { ...DEFAULT_H2_LIMITS, ...limits },
        headersTimeoutMs: 0,
        idleTimeoutMs: 0,
        lingerMs: 100,
        maxConnectionMs: 0,
        maxRequests: 0,
        connectProtocol: false,
        connect: false,
        carried: false,
        ...options,
      },
      counters,
    );
    made.connections.push(connection);
    socket.on('data', (chunk: Buffer) => connection.onBytes(chunk, 0, chunk.length));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(made, { port: (server.address() as AddressInfo).port });
}
