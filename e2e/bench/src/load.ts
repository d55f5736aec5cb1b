/** Load over raw sockets: GETs on kept connections, every response checked. */
import { connect, type Socket } from 'node:net';

export interface LoadResult {
  readonly requests: number;
  readonly failures: number;
  /** Milliseconds, sorted. */
  readonly latencies: Float64Array;
}

export interface LoadOptions {
  readonly host: string;
  readonly port: number;
  readonly authority: string;
  readonly connections: number;
  readonly durationMs: number;
  /** Requests per second in all; latency counts from the intended send time. Absent: each connection sends again at once. */
  readonly rate?: number;
}

const HEAD_END = Buffer.from('\r\n\r\n');
// What backend.ts answers.
const BODY_BYTES = 1024;
const MAX_SAMPLES = 2_000_000;

export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const latencies = new Float64Array(MAX_SAMPLES);
  const count = { requests: 0, failures: 0 };
  const endMs = performance.now() + options.durationMs;
  const done = (startMs: number, ok: boolean): void => {
    if (count.requests < MAX_SAMPLES) latencies[count.requests] = performance.now() - startMs;
    count.requests += 1;
    if (!ok) count.failures += 1;
  };
  await Promise.all(Array.from({ length: options.connections }, (_, index) => client(options, index, endMs, done)));
  return { ...count, latencies: latencies.subarray(0, Math.min(count.requests, MAX_SAMPLES)).sort() };
}

function client(
  options: LoadOptions,
  index: number,
  endMs: number,
  done: (startMs: number, ok: boolean) => void,
): Promise<void> {
  const request = Buffer.from(
    `GET / HTTP/1.1\r\nhost: ${options.authority}\r\nuser-agent: bench\r\naccept: */*\r\n\r\n`,
  );
  const everyMs = options.rate === undefined ? 0 : (1000 * options.connections) / options.rate;
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ host: options.host, port: options.port, noDelay: true });
    let startMs = 0;
    let dueMs = performance.now() + (everyMs * index) / options.connections;
    let missing = -1;
    let pending: Buffer | undefined;
    const send = (): void => {
      startMs = everyMs === 0 ? performance.now() : dueMs;
      socket.write(request);
    };
    const next = (): void => {
      if (performance.now() >= endMs) {
        socket.end();
        return;
      }
      if (everyMs === 0) return send();
      dueMs += everyMs;
      const waitMs = dueMs - performance.now();
      if (waitMs <= 0) send();
      else setTimeout(send, waitMs);
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
        if (!text.startsWith('HTTP/1.1 200') || length !== BODY_BYTES) {
          done(startMs, false);
          socket.destroy(new Error(`unexpected response: ${text.slice(0, 200)}`));
          return;
        }
        missing = length - (all.length - head - 4);
      } else missing -= chunk.length;
      if (missing > 0) return;
      if (missing < 0) {
        done(startMs, false);
        socket.destroy(new Error('more bytes than the response has'));
        return;
      }
      missing = -1;
      done(startMs, true);
      next();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve());
    socket.once('connect', () => (everyMs === 0 ? send() : setTimeout(send, Math.max(0, dueMs - performance.now()))));
  });
}

export const percentile = (sorted: Float64Array, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
