// A proxy in the test's own process, on free ports, and clients that see its bytes.
import { request as httpRequest, type Agent, type IncomingHttpHeaders } from 'node:http';
import { connect, type Socket } from 'node:net';
import { type Clock, seededRandom, silentLogger, systemClock } from '@weft/kit';
import { waitFor } from '@weft/testkit';
import type { AccessLogs, DataPath, RequestLabels, ResourceSet, SecretSource, StatsSink, TlsSecret } from '../ports.ts';
import { createProxy, type ProxyOptions } from '../proxy.ts';
import { RequestRecord } from '../request-record.ts';

export interface TestProxy extends AsyncDisposable {
  readonly path: DataPath;
  /** Copies of the records that were logged, in order. */
  readonly records: RequestRecord[];
  readonly stats: RecordingStats;
  portOf(listener: string): number;
}

export class RecordingStats implements StatsSink {
  readonly labels: RequestLabels[] = [];
  readonly codes: number[] = [];
  readonly #values: number[] = [];
  readonly #names = new Map<string, number>();

  requestSlot(labels: RequestLabels): number {
    return this.labels.push(labels) - 1;
  }
  recordRequest(_slot: number, code: number): void {
    this.codes.push(code);
  }
  recordTcp(): void {}
  counter(name: string): number {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    const slot = this.#values.push(0) - 1;
    this.#names.set(name, slot);
    return slot;
  }
  gauge(name: string): number {
    return this.counter(name);
  }
  add(slot: number, by: number): void {
    this.#values[slot] = (this.#values[slot] ?? 0) + by;
  }
  set(slot: number, value: number): void {
    this.#values[slot] = value;
  }
  valueOf(name: string): number {
    return this.#values[this.#names.get(name) ?? -1] ?? 0;
  }
}

export class TestSecrets implements SecretSource {
  readonly #secrets = new Map<string, TlsSecret>();
  readonly #listeners = new Set<(name: string) => void>();

  get(name: string): TlsSecret | undefined {
    return this.#secrets.get(name);
  }
  set(name: string, secret: TlsSecret): void {
    this.#secrets.set(name, secret);
    for (const listener of this.#listeners) listener(name);
  }
  onChange(listener: (name: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

export async function startProxy(
  resources: ResourceSet,
  options: Partial<ProxyOptions> & { readonly clock?: Clock } = {},
): Promise<TestProxy> {
  const records: RequestRecord[] = [];
  const stats = new RecordingStats();
  const accessLogs: AccessLogs = {
    create: () => ({ log: (record) => void records.push(Object.assign(new RequestRecord(), record)) }),
  };
  const path = createProxy({
    resources,
    secrets: new TestSecrets(),
    stats,
    accessLogs,
    clock: systemClock,
    random: seededRandom(7),
    logger: silentLogger,
    ...options,
  });
  await waitFor(() => path.listeners().every(({ state }) => state !== 'warming'), {
    what: 'every listener',
    everyMs: 2,
  });
  return {
    path,
    records,
    stats,
    portOf(name) {
      const found = path.listeners().find((listener) => listener.name === name && listener.state === 'active');
      if (found === undefined) throw new Error(`no active listener ${name}`);
      return Number(found.address.split(':').at(-1));
    },
    [Symbol.asyncDispose]: () => path.close(),
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: string;
}

export interface Ask {
  readonly port: number;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | readonly string[];
  readonly agent?: Agent;
}

/** One request by Node's own client. */
export function ask({ port, path = '/', method = 'GET', headers = {}, body, agent }: Ask): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { host: '127.0.0.1', port, path, method, headers, ...(agent === undefined ? {} : { agent }) },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            rawHeaders: response.rawHeaders,
            body: text,
          }),
        );
        response.on('error', reject);
      },
    );
    request.on('error', reject);
    for (const chunk of typeof body === 'string' ? [body] : (body ?? [])) request.write(chunk);
    request.end();
  });
}

/** Sends bytes as they are, and gathers what comes back until the connection ends or `until` appears. */
export function exchange(
  port: number,
  bytes: string | readonly string[],
  until?: string,
  timeoutMs = 5_000,
): Promise<string> {
  return new Promise((resolve) => {
    let got = '';
    const socket: Socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    const timer = setTimeout(() => finish(), timeoutMs);
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(got);
    };
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      got += chunk;
      if (until !== undefined && got.includes(until)) finish();
    });
    socket.on('end', finish);
    socket.on('error', finish);
    socket.on('connect', () => {
      for (const part of typeof bytes === 'string' ? [bytes] : bytes) socket.write(part, 'latin1');
    });
  });
}
