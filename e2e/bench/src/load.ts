/** Load over raw sockets, HTTP/1.1, every response checked. */
import { connect, type Socket } from 'node:net';

export interface LoadResult {
  readonly requests: number;
  readonly failures: number;
  /** Milliseconds, sorted. */
  readonly latencies: Float64Array;
}

export interface LoadShape {
  readonly connections: number;
  /** Bytes of each request's body; 0 is a GET. */
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** A connection carries one exchange only. */
  readonly oneExchange?: boolean;
  /** Requests per second in all; latency counts from the intended send time. Absent: each connection sends again at once. */
  readonly rate?: number;
}

export interface LoadOptions extends LoadShape {
  readonly host: string;
  readonly port: number;
  readonly authority: string;
  readonly durationMs: number;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const MAX_SAMPLES = 2_000_000;

export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const latencies = new Float64Array(MAX_SAMPLES);
  const count = { requests: 0, failures: 0 };
  const endMs = performance.now() + options.durationMs;
  const request = requestBytes(options);
  const done = (startMs: number, ok: boolean): void => {
    if (count.requests < MAX_SAMPLES) latencies[count.requests] = performance.now() - startMs;
    count.requests += 1;
    if (!ok) count.failures += 1;
  };
  await Promise.all(
    Array.from({ length: options.connections }, (_, index) => client(options, request, index, endMs, done)),
  );
  return { ...count, latencies: latencies.subarray(0, Math.min(count.requests, MAX_SAMPLES)).sort() };
}

function requestBytes({ authority, requestBytes: body, responseBytes }: LoadOptions): Buffer {
  const method = body > 0 ? 'POST' : 'GET';
  const length = body > 0 ? `content-length: ${body}\r\n` : '';
  const head = `${method} /${responseBytes} HTTP/1.1\r\nhost: ${authority}\r\nuser-agent: bench\r\naccept: */*\r\n${length}\r\n`;
  return Buffer.concat([Buffer.from(head), Buffer.alloc(body, 'y')]);
}

/** One client: requests one after another until the time is over. */
async function client(
  options: LoadOptions,
  request: Buffer,
  index: number,
  endMs: number,
  done: (startMs: number, ok: boolean) => void,
): Promise<void> {
  const everyMs = options.rate === undefined ? 0 : (1000 * options.connections) / options.rate;
  let dueMs = performance.now() + (everyMs * index) / options.connections;
  do {
    dueMs = await connection(options, request, { everyMs, dueMs, endMs }, done);
  } while (performance.now() < endMs);
}

/** @returns when the next request would be due. */
function connection(
  options: LoadOptions,
  request: Buffer,
  pace: { readonly everyMs: number; dueMs: number; readonly endMs: number },
  done: (startMs: number, ok: boolean) => void,
): Promise<number> {
  const { everyMs, endMs } = pace;
  return new Promise((resolve, reject) => {
    let startMs = performance.now();
    const socket: Socket = connect({ host: options.host, port: options.port, noDelay: true });
    let missing = -1;
    let pending: Buffer | undefined;
    const send = (): void => {
      // A connection of its own is part of the exchange.
      // A timer may fire a little early.
      if (everyMs > 0) startMs = Math.min(pace.dueMs, performance.now());
      else if (!options.oneExchange) startMs = performance.now();
      socket.write(request);
    };
    const next = (): void => {
      if (everyMs > 0) pace.dueMs += everyMs;
      if (options.oneExchange || performance.now() >= endMs) {
        socket.end();
        return;
      }
      const waitMs = everyMs === 0 ? 0 : pace.dueMs - performance.now();
      if (waitMs <= 0) send();
      else setTimeout(send, waitMs);
    };
    const failed = (why: string): void => {
      done(startMs, false);
      socket.destroy(new Error(why));
    };
    socket.on('data', (chunk: Buffer) => {
      if (missing < 0) {
        const all: Buffer = pending ? Buffer.concat([pending, chunk]) : chunk;
        const head = all.indexOf(HEAD_END);
        if (head < 0) {
          pending = all;
          return;
        }
        pending = undefined;
        const text = all.toString('latin1', 0, head);
        const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1] ?? Number.NaN);
        if (!text.startsWith('HTTP/1.1 200') || length !== options.responseBytes)
          return failed(`unexpected response: ${text.slice(0, 300)}`);
        missing = length - (all.length - head - HEAD_END.length);
      } else missing -= chunk.length;
      if (missing > 0) return;
      if (missing < 0) return failed('more bytes than the response has');
      missing = -1;
      done(startMs, true);
      next();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(pace.dueMs));
    socket.once('connect', () => {
      const waitMs = everyMs === 0 ? 0 : pace.dueMs - performance.now();
      if (waitMs <= 0) send();
      else setTimeout(send, waitMs);
    });
  });
}

export const percentile = (sorted: Float64Array, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
