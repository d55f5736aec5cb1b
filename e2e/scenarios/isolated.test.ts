/** Each workload in a network namespace of its own, as root and as an ordinary user: what only that form can do, and what it leaves. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkThisMachine } from '@weft/local';
import { tempDir, waitFor } from '@weft/testkit';
import { http } from '../harness/http.ts';
import { startMesh, weft, weftProgram, type TestMesh, type User } from '../harness/mesh.ts';
import { scrape } from '../harness/metrics.ts';
import { listeningPorts, processesWith } from '../harness/processes.ts';
import { programPath, startEcho } from '../harness/programs.ts';

const NOBODY: User = { uid: 65_534, gid: 65_534 };
const isRoot = process.getuid?.() === 0;
const isolation = checkThisMachine(process.env);

/** Why a form can not be tried here. */
function obstacle(user: User | 'root'): string | undefined {
  if (!isolation.possible) return isolation.missing;
  if (user === 'root') return isRoot ? undefined : 'the tests do not run as root';
  if (!isRoot) return undefined;
  const tried = spawnSync('unshare', ['-Urnm', process.execPath, weftProgram, '--version'], {
    ...user,
    encoding: 'utf8',
  });
  return tried.status === 0 ? undefined : `uid ${user.uid} can not run this: ${tried.error?.message ?? tried.stderr}`;
}

/** A server of the host, which no mesh knows. */
async function hostServer(): Promise<Server> {
  const server = createServer((request, response) => {
    request.resume();
    request.once('end', () => response.end(`outside says ${request.url}`));
  }).listen(0, '0.0.0.0');
  await once(server, 'listening');
  return server;
}

// Not by fetch: that one of Node 20 never settles when the connection ends before the request is written.
const FETCH = `require('node:http').get(process.argv[1], (response) => {
  let text = '';
  response.setEncoding('utf8').on('data', (more) => (text += more)).on('end', () => console.log(response.statusCode, text));
}).on('error', (error) => console.log('failed', error.code))`;

describe.each([
  ['as root', 'root'],
  ['as an ordinary user', NOBODY],
] as const)('NW-01 isolated %s', (_, who) => {
  const why = obstacle(who);
  const user = who === 'root' || !isRoot ? undefined : who;
  let mesh: TestMesh;
  let outside: Server;
  beforeAll(async () => {
    if (why !== undefined) return;
    outside = await hostServer();
    mesh = await startMesh({ command: 'demo', interception: 'isolated', ...(user ? { user } : {}) });
  });
  afterAll(async () => {
    outside?.close();
    await mesh?.[Symbol.asyncDispose]();
  });
  const test = (name: string, run: () => Promise<void>): void =>
    it(`NW-01 isolated: ${name}`, async ({ skip }) => {
      if (why !== undefined) skip(why);
      await run();
    });
  /** Calls a URL where the application of a workload runs. */
  const callFrom = async (workload: string, url: string): Promise<string> => {
    const { stdout, stderr } = await mesh.weft(['exec', workload, '--', process.execPath, '-e', FETCH, url]);
    return stdout + stderr;
  };

  test('an app that knows nothing of proxies calls http://reviews:9080, with an identity of its own', async () => {
    const client = [process.execPath, programPath('plain-client.mjs'), 'http://reviews:9080/reviews/0'];
    // Not one variable of the environment reaches it.
    const handle = await mesh.run(['--name=stranger', '--port=7000', '--', '/usr/bin/env', '-i', ...client], {
      ready: false,
    });
    await waitFor(() => handle.output().includes('200 {"id":"0"'), { what: `reviews to answer: ${handle.output()}` });
    await waitFor(
      async () => {
        const pages = await Promise.all(
          ['v1', 'v2', 'v3'].map(async (version) => scrape((await mesh.workload(`reviews-${version}`)).adminAddress)),
        );
        return pages.some((page) => page.includes('source_principal="spiffe://cluster.local/ns/default/sa/stranger"'));
      },
      { what: 'reviews to have seen its identity' },
    );
    // Killed, it takes sidecar, application and namespace along.
    const { processes } = await mesh.inside('stranger');
    handle.child.kill('SIGKILL');
    await waitFor(async () => (await mesh.supervisor()).workloads.every(({ name }) => name !== 'stranger'));
    await waitFor(() => Object.values(processes ?? {}).every((pid) => !isAlive(pid)), { what: 'its processes to end' });
  });

  test('a plaintext client in another pod is refused by STRICT, and reaches nothing', async () => {
    const { address } = await mesh.inside('reviews-v1');
    const call = [process.execPath, '-e', FETCH, `http://${address}:9080/reviews/0`];
    const { stdout } = await mesh.weft(['exec', 'weft-gateway', '-n', 'weft-system', '--', ...call]);
    expect(stdout).toMatch(/^failed (ECONNRESET|EPIPE)/);
  });

  test('calls to the outside go through the way out, and only to where there is somebody', async () => {
    const { port } = outside.address() as AddressInfo;
    expect(await callFrom('productpage-v1', `http://host.weft.internal:${port}/a`)).toBe('200 outside says /a\n');
    const own = Object.values(networkInterfaces())
      .flat()
      .find((item) => item?.family === 'IPv4' && !item.internal);
    if (own) expect(await callFrom('productpage-v1', `http://${own.address}:${port}/b`)).toBe('200 outside says /b\n');
    const closed = await hostServer();
    const { port: closedPort } = closed.address() as AddressInfo;
    closed.close();
    expect(await callFrom('productpage-v1', `http://host.weft.internal:${closedPort}/`)).not.toContain('200');
    // Its control plane's ports are the mesh's own business.
    expect(await callFrom('productpage-v1', 'http://10.244.0.1:15099/')).toMatch(/^failed/);
  });

  test('the host listens for gateway, console and monitoring only', async () => {
    const pids = new Set(processesWith(mesh.state).map(({ pid }) => pid));
    const open = listeningPorts.detailed().filter(({ pid }) => pid !== undefined && pids.has(pid));
    const { gateway, console: consolePort, monitoring } = mesh.ports;
    expect(open.map(({ address, port }) => `${address}:${port}`).toSorted()).toEqual(
      [gateway, consolePort, monitoring].map((port) => `127.0.0.1:${port}`).toSorted(),
    );
    expect((await http(`${mesh.gateway}/productpage`)).body).toContain('The Comedy of Errors');
    const { stdout } = await mesh.weft(['status', '-o', 'json']);
    for (const { port } of open) expect(stdout).toContain(String(port));
    expect(stdout).toContain('"isolated"');
  });

  test('weft exec is who the user is, without power over the rules, and passes its end on', async () => {
    const script = 'id -u; env | grep -ic _proxy=; echo $REVIEWS_SERVICE_HOST; pwd; exit 7';
    const { code, stdout } = await mesh.weft(['exec', 'productpage-v1', '--', '/bin/sh', '-c', script]);
    const [uid, proxies, vip, folder] = stdout.split('\n');
    expect([code, uid, proxies, folder]).toEqual([7, String(user?.uid ?? process.getuid?.()), '0', expect.any(String)]);
    expect(vip).toMatch(/^10\.96\./);
    if (user) {
      const flush = await mesh.weft([
        'exec',
        'productpage-v1',
        '--',
        '/bin/sh',
        '-c',
        'PATH=$PATH:/usr/sbin; iptables -t nat -F',
      ]);
      expect(flush.code).not.toBe(0);
    }
    expect(await mesh.weft(['exec', 'nobody-v1', '--', 'true'])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/no workload nobody-v1[\s\S]*productpage-v1/) as string,
    });
  });

  test('a workload of another terminal has a service, its port below 1024 too', async () => {
    const handle = await startEcho(mesh, { service: 'plain', version: 'v1', port: 80 });
    expect(await callFrom('productpage-v1', 'http://plain/hello')).toMatch(/^200 .*"url":"\/hello"/);
    await handle.stop();
    const missing = await mesh.weft(['run', '--name', 'missing', '--port', '7000', '--', '/no/such/program']);
    expect(missing.stderr).toContain('/no/such/program could not be started');
    expect(await mesh.weft(['agent', '--service', 'plain', '--port', '80'])).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('--interception loopback') as string,
    });
  });

  test('nothing stays when it is stopped', async () => {
    const holders = (await mesh.supervisor()).workloads.flatMap(({ processes }) => Object.values(processes ?? {}));
    expect(holders.length).toBeGreaterThan(15);
    expect(await mesh.stop()).toBe(0);
    await waitFor(() => processesWith(mesh.state).length === 0 && holders.every((pid) => !isAlive(pid)), {
      what: 'every process to end',
    });
    expect(Object.keys(networkInterfaces()).filter((name) => name.startsWith('weft'))).toEqual([]);
  });
});

describe('NW-01 where the isolated form is not possible', () => {
  // No unshare on that PATH.
  const env = { PATH: '/nowhere' };

  it('NW-01 asked for, it is refused with what is missing and what to do', async ({ skip }) => {
    if (process.platform !== 'linux') skip('Linux has it');
    await using dir = await tempDir();
    const up = await weft(['up', '--state', dir.path, '--interception', 'isolated'], { env });
    expect([up.code, up.stderr]).toEqual([
      1,
      expect.stringMatching(/"unshare" is missing[\s\S]*--interception loopback/),
    ]);
    expect(await weft(['up', '--interception', 'docker'])).toMatchObject({ code: 64 });
  });

  it('NW-01 not asked for, the loopback form is taken, and said so with the reason', async ({ skip }) => {
    if (process.platform !== 'linux') skip('Linux has it');
    await using mesh = await startMesh({ args: ['--no-gateway', '--interception', 'auto'], env });
    const line = /loopback[\s\S]*"unshare" is missing/;
    expect(mesh.output()).toMatch(line);
    expect((await mesh.weft(['status'])).stdout).toMatch(line);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
