/** Load over HTTP/1.1: a closed loop, or requests that are due one by one whatever becomes of those before. */
import { nowMs } from './clock.ts';
import { Http1Client, type ClientEvents, type Target } from './http1-client.ts';
import { pace } from './pacer.ts';

export interface LoadResult {
  readonly requests: number;
  /** Milliseconds, sorted. */
  readonly latencies: Float64Array;
}

export interface LoadShape {
  readonly connections: number;
  /** Bytes of each request's body; 0 is a GET. */
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** A connection carries one exchange only; it is part of the exchange. */
  readonly oneExchange?: boolean;
  /** Requests per second in all; latency counts from the intended send time. Absent: each connection sends again at once. */
  readonly rate?: number;
}

export interface LoadOptions extends LoadShape, Target {
  readonly authority: string;
  readonly durationMs: number;
}

const MAX_SAMPLES = 2_000_000;
const GIVE_UP_MS = 30_000;

class Latencies {
  readonly #values = new Float64Array(MAX_SAMPLES);
  count = 0;

  add(ms: number): void {
    if (this.count < MAX_SAMPLES) this.#values[this.count] = ms;
    this.count += 1;
  }

  result(): LoadResult {
    return { requests: this.count, latencies: this.#values.subarray(0, Math.min(this.count, MAX_SAMPLES)).sort() };
  }
}

/** @throws when a single answer was wrong or did not come: a figure counts only when the work was done. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const latencies = new Latencies();
  const clients: Http1Client[] = [];
  let giveUp: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      giveUp = setTimeout(() => reject(new Error('answers did not come')), options.durationMs + GIVE_UP_MS);
      const run = options.rate === undefined ? closedLoop : openLoop;
      run(options, latencies, (events) => makeClients(options, { ...events, onFailure: reject }, clients)).then(
        resolve,
        reject,
      );
    });
  } finally {
    clearTimeout(giveUp);
    for (const client of clients) client.destroy();
  }
  return latencies.result();
}

type Events = Omit<ClientEvents, 'onFailure'>;
type MakeClients = (events: Events) => readonly Http1Client[];

function makeClients(options: LoadOptions, events: ClientEvents, into: Http1Client[]): readonly Http1Client[] {
  const { host, port, connections, responseBytes } = options;
  const request = requestBytes(options);
  for (let i = 0; i < connections; i += 1) {
    const client = new Http1Client({ host, port }, request, responseBytes, events);
    into.push(client);
    client.startMs = nowMs();
    client.connect();
  }
  return into;
}

/** Each client asks again when it was answered, until the time is over. */
function closedLoop(options: LoadOptions, latencies: Latencies, make: MakeClients): Promise<void> {
  const endMs = nowMs() + options.durationMs;
  const { oneExchange = false } = options;
  let open = options.connections;
  return new Promise((resolve) => {
    make({
      onConnected: (client) => client.send(oneExchange ? client.startMs : nowMs()),
      onAnswer(client) {
        const now = nowMs();
        latencies.add(now - client.startMs);
        if (oneExchange || now >= endMs) client.end();
        else client.send(now);
      },
      onClosed(client) {
        const now = nowMs();
        if (now < endMs) {
          client.startMs = now;
          client.connect();
          return;
        }
        open -= 1;
        if (open === 0) resolve();
      },
    });
  });
}

/** Requests are due at a fixed rate, each on the next connection; one that has to wait for an answer before it waits at its own cost. */
async function openLoop(options: LoadOptions, latencies: Latencies, make: MakeClients): Promise<void> {
  const { rate = 1, durationMs, connections } = options;
  const due = new Map<Http1Client, number[]>();
  let [connected, waiting] = [0, 0];
  let onReady = (): void => {};
  let onIdle = (): void => {};
  const sendNext = (client: Http1Client): void => {
    const next = client.busy ? undefined : due.get(client)?.shift();
    if (next !== undefined) client.send(next);
  };
  const ready = new Promise<void>((resolve) => (onReady = resolve));
  const clients = make({
    onConnected() {
      connected += 1;
      if (connected === connections) onReady();
    },
    onAnswer(client) {
      latencies.add(nowMs() - client.startMs);
      waiting -= 1;
      if (waiting === 0) onIdle();
      sendNext(client);
    },
    onClosed: () => {},
  });
  for (const client of clients) due.set(client, []);
  await ready;
  await pace(rate, durationMs, (dueMs, tick) => {
    const client = clients[tick % connections];
    if (client === undefined) return;
    waiting += 1;
    due.get(client)?.push(dueMs);
    sendNext(client);
  });
  if (waiting > 0) await new Promise<void>((resolve) => (onIdle = resolve));
}

/** The path says what the backend is to answer, and what it must have got. */
function requestBytes({ authority, requestBytes: body, responseBytes }: LoadOptions): Buffer {
  const method = body > 0 ? 'POST' : 'GET';
  const length = body > 0 ? `content-length: ${body}\r\n` : '';
  const head = `${method} /${responseBytes}/${body} HTTP/1.1\r\nhost: ${authority}\r\nuser-agent: bench\r\naccept: */*\r\n${length}\r\n`;
  return Buffer.concat([Buffer.from(head), Buffer.alloc(body, 'y')]);
}

export const percentile = (sorted: Float64Array, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
