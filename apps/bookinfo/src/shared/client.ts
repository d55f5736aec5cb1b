import { Agent, request, type IncomingMessage } from 'node:http';

/** What came of a call: an answer with its status, or none. */
export type CallResult =
  | { readonly ok: true; readonly status: number; readonly body: unknown }
  | { readonly ok: false; readonly reason: string };

export interface Call {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** From the start of the call to the end of its body. */
  readonly timeoutMs: number;
}

export interface JsonClient {
  /** GET; never throws. A body that is not JSON comes as `undefined`. */
  get(call: Call): Promise<CallResult>;
  close(): void;
}

const MAX_BODY_BYTES = 1 << 20;

export function createJsonClient(): JsonClient {
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 32 });
  return {
    async get(call) {
      const endMs = performance.now() + call.timeoutMs;
      const first = await once(agent, call, call.timeoutMs);
      // The other side may close an idle connection just as it is taken up again: nothing was answered, so once more.
      if (first.ok || !first.stale) return first;
      return once(agent, call, endMs - performance.now());
    },
    close: () => agent.destroy(),
  };
}

type Attempt = CallResult & { readonly stale?: boolean };

function once(agent: Agent, { url, headers }: Call, timeoutMs: number): Promise<Attempt> {
  return new Promise((resolve) => {
    const call = request(url, { agent, headers: { ...headers, accept: 'application/json' } });
    const deadline = setTimeout(() => call.destroy(new Error(`no answer in ${Math.round(timeoutMs)} ms`)), timeoutMs);
    const finish = (result: Attempt): void => {
      clearTimeout(deadline);
      resolve(result);
    };
    call.on('error', (error: NodeJS.ErrnoException) => {
      finish({ ok: false, reason: error.message, stale: call.reusedSocket && error.code === 'ECONNRESET' });
    });
    call.on('response', (response) => {
      readText(response).then(
        (text) => finish({ ok: true, status: response.statusCode ?? 0, body: parseJson(text) }),
        (error: unknown) => finish({ ok: false, reason: error instanceof Error ? error.message : String(error) }),
      );
    });
    call.end();
  });
}

/** @throws when the message is cut off or larger than 1 MiB. */
export async function readText(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new Error('the body is larger than 1 MiB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
