import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat, writeFile } from 'node:fs/promises';
import { type IncomingHttpHeaders, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type Logger, silentLogger } from '@weft/kit';
import { FakeClock, tempDir, waitFor } from '@weft/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { type ConsoleApi, type ConsoleApiDeps, createConsoleApi } from './console-api.ts';
import { type BookinfoSources, bookinfoSources } from './testing.ts';

const TOKEN = 'k'.repeat(43);
const open: ConsoleApi[] = [];
afterEach(async () => {
  for (const api of open.splice(0)) await api.close();
});

async function start(options: ConsoleApiDeps['options'] = {}, logger: Logger = silentLogger) {
  const clock = new FakeClock(1_800_000_000_000);
  const sources: BookinfoSources = bookinfoSources(clock);
  const api = await createConsoleApi({ sources, clock, logger, token: TOKEN, options });
  open.push(api);
  return { api, clock, sources };
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

function ask(
  where: { readonly port: number } | { readonly socketPath: string },
  path: string,
  sent: { readonly method?: string; readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const text = sent.body === undefined ? undefined : JSON.stringify(sent.body);
    const request = httpRequest(
      {
        host: '127.0.0.1',
        ...where,
        path,
        method: sent.method ?? 'GET',
        headers: { ...(text === undefined ? {} : { 'content-type': 'application/json' }), ...sent.headers },
      },
      (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
      },
    );
    request.on('error', reject).end(text);
  });
}

/** What a raw client gets back until the server closes. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let got = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.setEncoding('latin1').on('data', (chunk: string) => (got += chunk));
    socket.on('error', reject).on('close', () => resolve(got));
  });
}

describe('over TCP', () => {
  it('listens on loopback, answers, and refuses the Host of a rebound name', async () => {
    const { api } = await start();
    const { host, port } = await api.listen({ host: '127.0.0.1', port: 0 });
    expect(host).toBe('127.0.0.1');
    expect((await ask({ port }, '/api/v1/mesh')).status).toBe(200);
    expect((await ask({ port }, '/api/v1/mesh', { headers: { host: `rebound.example:${port}` } })).status).toBe(421);
  });
  it.each([
    ['no Host', 'GET /api/v1/mesh HTTP/1.1\r\nConnection: close\r\n\r\n'],
    ['two Hosts', 'GET /api/v1/mesh HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n'],
    ['HTTP/1.0 without Host', 'GET /api/v1/mesh HTTP/1.0\r\n\r\n'],
    [
      'another server’s address in the request line',
      'GET http://evil.example/api/v1/mesh HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
    ],
    [
      'both lengths',
      'POST /api/v1/config/apply HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
  ])('does not answer %s', async (_what, text) => {
    const { api } = await start();
    const { port } = await api.listen({ host: '127.0.0.1', port: 0 });
    const answer = await raw(port, text);
    expect(answer).toMatch(/^HTTP\/1\.1 (400|404|421) /);
    expect(answer).not.toContain('trustDomain');
  });
  it('writes only with the token', async () => {
    const { api } = await start();
    const { port } = await api.listen({ host: '127.0.0.1', port: 0 });
    const path = '/api/v1/session/link';
    expect((await ask({ port }, path, { method: 'POST', body: {} })).status).toBe(401);
    const headers = { authorization: `Bearer ${TOKEN}` };
    expect((await ask({ port }, path, { method: 'POST', body: {}, headers })).status).toBe(200);
  });
  it('a client that goes away inside its body is no fault of ours', async () => {
    const errors: unknown[] = [];
    const { api } = await start({}, { ...silentLogger, error: (fields) => void errors.push(fields) });
    const { port } = await api.listen({ host: '127.0.0.1', port: 0 });
    const head = `POST /api/v1/config/apply HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`;
    const socket = connect(port, '127.0.0.1', () => socket.end(head));
    socket.on('error', () => {}).resume();
    await once(socket, 'close');
    expect((await ask({ port }, '/api/v1/mesh')).status).toBe(200);
    expect(errors).toEqual([]);
  });
  it('names the port when it is taken', async () => {
    const { api } = await start();
    const { port } = await api.listen({ host: '127.0.0.1', port: 0 });
    await expect(api.listen({ host: '127.0.0.1', port })).rejects.toMatchObject({ code: 'WEFT_PORT_TAKEN' });
  });
});

describe('over the Unix socket', () => {
  it('has mode 0600, whatever the umask, and may write without the token', async () => {
    await using dir = await tempDir();
    const socketPath = join(dir.path, 'api.sock');
    const { api } = await start();
    const before = process.umask(0);
    try {
      await api.listenUnix(socketPath);
      expect(process.umask()).toBe(0);
    } finally {
      process.umask(before);
    }
    expect((await stat(socketPath)).mode & 0o777).toBe(0o600);
    const link = await ask({ socketPath }, '/api/v1/session/link', { method: 'POST', body: {} });
    expect(link.status).toBe(200);
    expect(JSON.parse(link.body)).toMatchObject({ path: expect.stringMatching(/^\/open#[\w-]{43}$/) });
  });
  it('replaces the socket of a process that is gone, and not that of a living one', async () => {
    await using dir = await tempDir();
    const path = join(dir.path, 'api.sock');
    const { api } = await start();
    await api.listenUnix(path);
    const other = await start();
    await expect(other.api.listenUnix(path)).rejects.toMatchObject({ code: 'WEFT_SOCKET_TAKEN' });
    await api.close();
    open.splice(open.indexOf(api), 1);
    const dead = join(dir.path, 'dead.sock');
    const killed = spawn(process.execPath, ['-e', `require('net').createServer().listen(${JSON.stringify(dead)})`]);
    await waitFor(() => stat(dead));
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    expect((await stat(dead)).isSocket()).toBe(true);
    await other.api.listenUnix(dead);
    expect((await ask({ socketPath: dead }, '/api/v1/session')).status).toBe(200);
  });
  it('never replaces a file that is no socket', async () => {
    await using dir = await tempDir();
    const path = join(dir.path, 'api.sock');
    await writeFile(path, 'precious');
    const { api } = await start();
    await expect(api.listenUnix(path)).rejects.toMatchObject({ code: 'WEFT_SOCKET_TAKEN' });
  });
});

describe('live events', () => {
  function follow(port: number, path = '/api/v1/events') {
    const events: { readonly event: string; readonly data: unknown }[] = [];
    let status = 0;
    let ended = false;
    const request = httpRequest({ host: '127.0.0.1', port, path }, (response) => {
      status = response.statusCode ?? 0;
      let rest = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        rest += chunk;
        const frames = rest.split('\n\n');
        rest = frames.pop() ?? '';
        for (const frame of frames) {
          const event = /^event: (.*)$/m.exec(frame)?.[1];
          const data = /^data: (.*)$/m.exec(frame)?.[1];
          if (event !== undefined && data !== undefined) events.push({ event, data: JSON.parse(data) });
        }
      });
      response.on('end', () => (ended = true)).on('error', () => (ended = true));
    });
    request.on('error', () => (ended = true)).end();
    const of = (event: string) => events.filter((item) => item.event === event);
    return { events, of, status: () => status, ended: () => ended, stop: () => request.destroy() };
  }

  it('sends the graph at once and at every tick, and news of configuration and proxies', async () => {
    const { api, clock, sources } = await start();
    const { port } = await api.listen({ host: '127.0.0.1', port: 0 });
    const stream = follow(port, '/api/v1/events?windowMs=60000');
    await waitFor(() => stream.of('graph').length === 1);
    clock.advance(2_000);
    await waitFor(() => stream.of('graph').length === 2);
    expect(stream.of('graph')[1]?.data).toMatchObject({ generatedAt: 1_800_000_002_000, windowMs: 60_000 });
    // Many changes at once are one piece of news.
    for (let i = 0; i < 50; i += 1) sources.changed('proxies');
    await ask({ port }, '/api/v1/config/networking.istio.io/VirtualService/default/ratings', {
      method: 'DELETE',
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    clock.advance(200);
    await waitFor(() => stream.of('config').length === 1 && stream.of('proxies').length === 1);
    stream.stop();
    await waitFor(() => {
      clock.advance(2_000);
      return clock.pending === 0;
    });
  });
  it('opens only so many', async () => {
    const { api } = await start({ maxStreams: 1 });
    const { port } = await api.listen({ host: '127.0.0.1', port: 0 });
    const first = follow(port);
    await waitFor(() => first.status() === 200);
    expect((await ask({ port }, '/api/v1/events')).status).toBe(503);
    first.stop();
    await waitFor(async () => {
      const next = follow(port);
      await waitFor(() => next.status() !== 0);
      return next.status() === 200;
    });
  });
  it('ends with the server', async () => {
    const { api } = await start();
    const { port } = await api.listen({ host: '127.0.0.1', port: 0 });
    const stream = follow(port);
    await waitFor(() => stream.status() === 200);
    await api.close();
    await waitFor(() => stream.ended());
    await expect(ask({ port }, '/api/v1/mesh')).rejects.toThrow(/ECONNREFUSED|ECONNRESET|socket hang up/);
  });
  it('lets go of a reader that takes nothing', async () => {
    const { api, clock } = await start({ streamStallMs: 10_000 });
    const { port } = await api.listen({ host: '127.0.0.1', port: 0 });
    const socket = connect(port, '127.0.0.1');
    let closed = false;
    socket.on('close', () => (closed = true)).on('error', () => (closed = true));
    socket.write('GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    socket.pause();
    await waitFor(() => clock.pending === 1);
    clock.advance(60_000);
    socket.resume();
    await waitFor(() => closed);
  });
});
