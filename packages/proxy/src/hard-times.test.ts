// The program when something happens that nobody expected, and when the system gives it no more descriptors.
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TempDir, waitFor } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fetchPage, installProxy } from './test-support/proxy-program.ts';
import { type RunningOptions, type RunningProxy, startRunning } from './test-support/running-proxy.ts';

// What the program would do of itself only by mistake.
const PLANTED = `
process.on('SIGUSR2', () => setTimeout(() => { throw new Error('planted in a timer'); }, 1));
process.on('SIGURG', () => void Promise.reject(new Error('planted in a promise')));
`;

let dir: TempDir;
let program: string;
let app: Server;
let asked = 0;
const start = (options: Partial<RunningOptions> = {}): Promise<RunningProxy> =>
  startRunning({ program, dir: dir.path, appPort: (app.address() as AddressInfo).port, ...options });

beforeAll(async () => {
  ({ dir, program } = await installProxy());
  await writeFile(join(dir.path, 'planted.mjs'), PLANTED);
  app = createServer((request, response) => {
    asked += 1;
    if (request.url === '/soon') setTimeout(() => response.end('answered'), 200);
    else if (request.url !== '/never') response.end('at once');
  });
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
}, 60_000);
afterAll(async () => {
  app.closeAllConnections();
  app.close();
  await dir.remove();
});

describe('an error that nobody expected', () => {
  it.each([
    ['in a timer', 'SIGUSR2'],
    ['of a promise', 'SIGURG'],
  ] as const)(
    '%s is logged and counted; what is under way is answered, and the process ends with 1',
    async (_, signal) => {
      await using started = await start({ preload: join(dir.path, 'planted.mjs') });
      const { proxy, address, stat } = started;
      const before = asked;
      const answer = fetchPage(address, '/soon');
      await waitFor(() => asked > before, { what: 'the request at the application', everyMs: 5 });
      proxy.child.kill(signal);
      expect(await answer).toEqual({ status: 200, body: 'answered' });
      await waitFor(() => proxy.stderr().includes('unexpected error') || proxy.stdout().includes('unexpected error'));
      // It may have ended by now.
      expect([1, undefined]).toContain(await stat('server.unexpected_errors'));
      await expect(fetchPage(address, '/')).rejects.toThrow(/ECONNREFUSED|ECONNRESET|hang up/);
      expect(await proxy.exited).toBe(1);
      expect(proxy.stderr() + proxy.stdout()).toMatch(/planted in a/);
      expect(proxy.messages.at(-1)).toMatchObject({ type: 'drained' });
    },
  );

  it('cuts what takes too long, and a second error ends it at once', async () => {
    await using started = await start({ preload: join(dir.path, 'planted.mjs') });
    const { proxy, address } = started;
    const before = asked;
    const answer = fetchPage(address, '/never').catch(() => 'cut');
    await waitFor(() => asked > before, { what: 'the request at the application', everyMs: 5 });
    proxy.child.kill('SIGUSR2');
    proxy.child.kill('SIGURG');
    expect(await proxy.exited).toBe(1);
    const ended = await answer;
    if (ended !== 'cut') expect(ended).toMatchObject({ status: 503 });
  });
});

describe('descriptors that run out', () => {
  it('stop it from accepting, not from serving; it logs that once, and goes on when there are some', async () => {
    await using started = await start({ args: ['--max-connections', '10000'], descriptors: 240 });
    const { proxy, address, port, stat } = started;
    const sockets: Socket[] = [];
    let kept = '';
    const open = (): Socket => {
      const socket = connect({ host: '127.0.0.1', port });
      socket.on('error', () => {});
      sockets.push(socket);
      return socket;
    };
    const first = open();
    first.on('data', (data) => (kept += data.toString('latin1')));
    for (let i = 0; i < 300; i += 1) open();
    await waitFor(async () => ((await stat('listener_manager.accept_stopped.descriptors')) ?? 0) >= 1, {
      what: 'the end of accepting',
    });
    expect(await stat('listener_manager.accept_stopped.active')).toBe(1);
    // To the application it needs one more.
    first.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    await waitFor(() => kept.includes('at once'), { what: 'an answer on the first connection' });
    expect(await stat('listener.in.downstream_cx_no_descriptor')).toBeGreaterThanOrEqual(1);
    expect((proxy.stderr() + proxy.stdout()).match(/no descriptors are left/g)).toHaveLength(1);
    sockets.forEach((socket) => socket.destroy());
    await waitFor(async () => (await fetchPage(address, '/').catch(() => undefined))?.status === 200, {
      what: 'a new client to be served',
    });
    expect(await stat('listener_manager.accept_stopped.active')).toBe(0);
  });
});

describe('memory that runs out', () => {
  it(
    'costs the requests that hold most; pages answer, the process lives, and serves again',
    { timeout: 120_000 },
    async () => {
      await using started = await start({ args: ['--max-memory-mib', '72'] });
      const { proxy, address, port, stat } = started;
      expect((await fetchPage(address, '/')).status).toBe(200);
      // Bodies that never end, kept for another attempt.
      const uploads = Array.from({ length: 100 }, () => {
        const one = { socket: connect({ host: '127.0.0.1', port }), text: '', gone: false };
        one.socket.on('error', () => {});
        one.socket.on('data', (data) => (one.text += data.toString('latin1')));
        one.socket.on('close', () => (one.gone = true));
        one.socket.write('POST /never HTTP/1.1\r\nHost: h\r\nContent-Length: 1040000\r\n\r\n');
        one.socket.write(Buffer.alloc(1_000_000));
        return one;
      });
      await waitFor(async () => ((await stat('overload.streams_reset')) ?? 0) > 0, {
        what: 'the end of the heaviest',
        timeoutMs: 60_000,
      });
      await waitFor(() => uploads.some(({ text }) => text !== ''), { what: 'a refusal' });
      const refused = uploads.filter(({ text }) => text !== '');
      for (const { text } of refused) expect(text).toMatch(/^HTTP\/1.1 503 [^]*x-weft-reason: overloaded/);
      uploads.forEach(({ socket }) => socket.destroy());
      await waitFor(async () => (await fetchPage(address, '/').catch(() => undefined))?.status === 200, {
        what: 'requests to be served again',
        timeoutMs: 60_000,
      });
      expect([proxy.child.exitCode, proxy.child.signalCode]).toEqual([null, null]);
    },
  );
});
