/** HTTP as a plain client sends it, with control over Host and every header. */
import { Agent, request } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly ms: number;
}

export interface Call {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs?: number;
  readonly agent?: Agent;
}

const names = new Map<string, string>();
/** What is at this address (of a relay) is called by this name: the Host of requests that say none. */
export const nameAddress = (address: string, name: string): void => void names.set(address, name);

/** For clients that are not `http`. */
export function hostOf(url: string): { readonly host?: string } {
  const host = names.get(new URL(url).host);
  return host === undefined ? {} : { host };
}

/** A client that keeps connections, for many calls. */
export const keepAlive = (connections = 16): Agent => new Agent({ keepAlive: true, maxSockets: connections });

export function http(url: string, call: Call = {}): Promise<Answer> {
  const startMs = performance.now();
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        method: call.method ?? 'GET',
        agent: call.agent ?? false,
        headers: {
          ...hostOf(url),
          ...call.headers,
          ...(call.body === undefined ? {} : { 'content-length': Buffer.byteLength(call.body) }),
        },
      },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (text: string) => (body += text));
        response.once('error', reject);
        response.once('end', () => {
          clearTimeout(timer);
          const headers = Object.fromEntries(
            Object.entries(response.headers).map(([name, value]) => [name, String(value)]),
          );
          resolve({ status: response.statusCode ?? 0, headers, body, ms: performance.now() - startMs });
        });
      },
    );
    const timer = setTimeout(
      () => outgoing.destroy(new Error(`no answer from ${url} within ${call.timeoutMs ?? 30_000} ms`)),
      call.timeoutMs ?? 30_000,
    );
    outgoing.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    outgoing.end(call.body);
  });
}

/** The same call many times, some at once. */
export async function many(count: number, call: (index: number) => Promise<Answer>, atOnce = 16): Promise<Answer[]> {
  const answers: Answer[] = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (next < count) {
        const index = next;
        next += 1;
        answers.push(await call(index));
      }
    }),
  );
  return answers;
}
