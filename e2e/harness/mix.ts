/** Clients of every kind that never try anything twice: whatever is lost between two processes of a proxy shows here. */
import { Agent } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2, constants } from 'node:http2';
import { connect } from 'node:net';
import { hostOf, http } from './http.ts';

export interface MixOptions {
  /** Called by fresh connections, kept ones and POSTs. */
  readonly urls: readonly string[];
  /** Called by HTTP/2 with prior knowledge. */
  readonly h2Urls: readonly string[];
  /** Where `wire.mjs` answers an upgrade. */
  readonly webSocketUrls: readonly string[];
  readonly clientsOfEachKind: number;
  /** Pause of each client between its calls. */
  readonly everyMs: number;
}

export interface WebSocketLife {
  readonly openedMs: number;
  readonly closedMs: number;
}

export interface MixResult {
  readonly calls: Readonly<Record<string, number>>;
  readonly failed: readonly string[];
  /** Those that were cut; each client then opens another. */
  readonly webSockets: readonly WebSocketLife[];
}

export interface Mix {
  stop(): Promise<MixResult>;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export function startMix(options: MixOptions): Mix {
  const calls: Record<string, number> = { fresh: 0, kept: 0, post: 0, h2: 0, webSocket: 0 };
  const failed: string[] = [];
  const webSockets: WebSocketLife[] = [];
  let unsent = 0;
  let running = true;
  const agent = new Agent({ keepAlive: true, maxSockets: options.clientsOfEachKind });

  const loop = async (kind: string, call: () => Promise<void>, end: () => void = () => {}): Promise<void> => {
    while (running) {
      try {
        await call();
      } catch (error) {
        failed.push(`${kind} at ${new Date().toISOString()}: ${String(error)}`);
      }
      calls[kind] = (calls[kind] ?? 0) + 1;
      await pause(options.everyMs * (0.5 + (calls[kind] % 10) / 10));
    }
    end();
  };
  const plain = (url: string, method: string, kept: boolean) => async (): Promise<void> => {
    const answer = await http(url, {
      method,
      ...(method === 'POST' ? { body: 'x'.repeat(2_000) } : {}),
      ...(kept ? { agent } : {}),
      timeoutMs: 15_000,
    });
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.headers['x-weft-reason'] ?? ''}`);
  };

  const clients: Promise<void>[] = [];
  const repeat = (make: () => Promise<void>): void => {
    for (let i = 0; i < options.clientsOfEachKind; i += 1) clients.push(make());
  };
  for (const url of options.urls) {
    repeat(() => loop('fresh', plain(url, 'GET', false)));
    repeat(() => loop('kept', plain(url, 'GET', true)));
    repeat(() => loop('post', plain(url, 'POST', true)));
  }
  for (const url of options.h2Urls) {
    const sessions = createSessions(url);
    repeat(() =>
      loop(
        'h2',
        async () => {
          while (!(await callHttp2(sessions.open(), hostOf(url).host))) unsent += 1;
        },
        sessions.close,
      ),
    );
  }
  for (const url of options.webSocketUrls)
    repeat(async () => {
      while (running) {
        const openedMs = Date.now();
        const talk = await talkOverWebSocket(
          url,
          () => running,
          () => (calls['webSocket'] = (calls['webSocket'] ?? 0) + 1),
        );
        if (talk === 'cut') webSockets.push({ openedMs, closedMs: Date.now() });
        else if (talk !== 'done') failed.push(`webSocket at ${new Date().toISOString()}: ${talk}`);
        if (talk !== 'done') await pause(options.everyMs);
      }
    });
  return {
    async stop() {
      running = false;
      await Promise.all(clients);
      agent.destroy();
      return { calls: { ...calls, unsent }, failed, webSockets };
    },
  };
}

/** One session for all, and a new one once the server has said that it takes no more. */
function createSessions(url: string): { open(): ClientHttp2Session; close(): void } {
  let session: ClientHttp2Session | undefined;
  return {
    open() {
      if (session === undefined || session.closed || session.destroyed) {
        session = connectHttp2(url);
        session.on('error', () => {});
        const made = session;
        session.on('goaway', (_, lastStream) => finalStreams.set(made, lastStream ?? NO_STREAM_LEFT_OUT));
      }
      return session;
    },
    close: () => session?.close(),
  };
}

/** What the server said of a session's last stream. */
const finalStreams = new WeakMap<ClientHttp2Session, number>();
const NO_STREAM_LEFT_OUT = 2 ** 31 - 1;

/**
 * @returns false when the client's own library kept the request back: it had not left when the server asked for no more,
 * and the server has left none out that did.
 */
function callHttp2(session: ClientHttp2Session, host: string | undefined): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':path': '/h2',
      ':method': 'GET',
      ...(host === undefined ? {} : { ':authority': host }),
    });
    let status = 0;
    const unsent = (): boolean =>
      stream.rstCode === constants.NGHTTP2_REFUSED_STREAM && finalStreams.get(session) === NO_STREAM_LEFT_OUT;
    stream.setTimeout(15_000, () => stream.close());
    stream.on('response', (head) => (status = Number(head[':status'])));
    stream.on('error', (error) => (unsent() ? resolve(false) : reject(error)));
    stream.on('close', () => {
      if (unsent()) resolve(false);
      else if (status === 200 && stream.rstCode === 0) resolve(true);
      else reject(new Error(`status ${status}, code ${stream.rstCode}`));
    });
    stream.resume();
    stream.end();
  });
}

/** Speaks until it is told to stop or the connection ends. @returns `done`, `cut`, or what was wrong. */
function talkOverWebSocket(url: string, running: () => boolean, said: () => void): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port) });
    let text = '';
    let joined = false;
    let waitsFor = '';
    let turn = 0;
    const end = (how: string): void => {
      socket.destroy();
      resolve(how);
    };
    const speak = (): void => {
      if (!running()) return end('done');
      turn += 1;
      waitsFor = `<${turn}>`;
      text = '';
      socket.write(String(turn));
    };
    socket.setTimeout(15_000, () => end('no answer'));
    socket.on('connect', () =>
      socket.write('GET /ws HTTP/1.1\r\nHost: wire\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
    );
    socket.on('data', (data) => {
      text += data.toString('latin1');
      if (!joined) {
        if (!text.includes('welcome')) return void (/^HTTP\/1.1 [2345]/.test(text) && end(text.slice(0, 200)));
        joined = true;
        return speak();
      }
      if (!text.includes(waitsFor)) return;
      said();
      setTimeout(speak, 100);
    });
    socket.on('error', (error) => end(joined ? 'cut' : `not opened: ${error.message}`));
    socket.on('close', () => end(joined ? 'cut' : 'not opened'));
  });
}
