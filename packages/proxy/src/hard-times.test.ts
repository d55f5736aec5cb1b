// The program when something happens that nobody expected, and when the system gives it no more descriptors.
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { toBinary } from '@bufbuild/protobuf';
import { XDS_TYPE } from '@weft/contracts';
import { ClusterSchema } from '@weft/contracts/full/envoy/config/cluster/v3/cluster';
import { ListenerSchema } from '@weft/contracts/full/envoy/config/listener/v3/listener';
import { createTestAuthority, freePort, tempDir, type TempDir, waitFor } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encode, type Resources, startControlPlane } from './test-support/control-plane.ts';
import { connectionManager, listenerOf } from './test-support/mesh-resources.ts';
import { bundleProxy, type ChildOptions, fetchPage, startProxyChild } from './test-support/proxy-program.ts';

const NODE = 'sidecar~127.0.0.1~echo-v1.default~default.svc.cluster.local';
const METADATA = { NAMESPACE: 'default', SERVICE_ACCOUNT: 'echo', WORKLOAD_NAME: 'echo-v1', CLUSTER_ID: 'local' };
const ID = 'spiffe://cluster.local/ns/default/sa/echo';
// What the program would do of itself only by mistake.
const PLANTED = `
process.on('SIGUSR2', () => setTimeout(() => { throw new Error('planted in a timer'); }, 1));
process.on('SIGURG', () => void Promise.reject(new Error('planted in a promise')));
`;

let dir: TempDir;
let program: string;
let app: Server;
let asked = 0;
const authority = createTestAuthority();

beforeAll(async () => {
  dir = await tempDir();
  program = bundleProxy(join(dir.path, 'dist'));
  await symlink(fileURLToPath(new URL('../node_modules', import.meta.url)), join(dir.path, 'node_modules'));
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

function resources(port: number): Resources {
  const routes = {
    routeConfig: {
      virtualHosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'app' } }] }],
    },
  };
  const listener = listenerOf('in', port, 'OUTBOUND', connectionManager(routes));
  const { port: appPort } = app.address() as AddressInfo;
  const endpoint = { address: { socketAddress: { address: '127.0.0.1', portValue: appPort } } };
  return {
    [XDS_TYPE.cluster]: {
      app: encode(ClusterSchema, {
        name: 'app',
        type: 'STATIC',
        loadAssignment: { clusterName: 'app', endpoints: [{ lbEndpoints: [{ endpoint }] }] },
      }),
    },
    [XDS_TYPE.listener]: { in: toBinary(ListenerSchema, listener) },
  };
}

async function start(args: readonly string[] = [], options: ChildOptions = {}) {
  const port = await freePort();
  const plane = await startControlPlane(authority, resources(port));
  const admin = `127.0.0.1:${await freePort()}`;
  const proxy = startProxyChild(
    program,
    ['--node-id', NODE, '--metadata', JSON.stringify(METADATA), '--xds', plane.address, '--save-dir', dir.path, '--admin', admin, '--parent-fd', '3', ...args],
    options,
  ); // prettier-ignore
  const secret = authority.issue(ID);
  proxy.send({
    type: 'secrets',
    default: {
      certChainPem: secret.certChainPem,
      privateKeyPem: secret.privateKeyPem,
      spiffeId: ID,
      expiresAt: Date.now() + 3_600_000,
    },
    rootCaPem: authority.rootsPem,
  });
  await waitFor(() => proxy.messages.some(({ type }) => type === 'ready'), { what: 'ready', timeoutMs: 30_000 });
  return {
    proxy,
    admin,
    address: `127.0.0.1:${port}`,
    port,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await plane[Symbol.asyncDispose]();
    },
  };
}

const statOf = async (admin: string, name: string): Promise<number | undefined> => {
  const page = await fetchPage(admin, `/stats?filter=${name}`).catch(() => undefined);
  const line = page?.body.split('\n').find((one) => one.startsWith(`${name}: `));
  return line === undefined ? undefined : Number(line.slice(name.length + 2));
};

describe('an error that nobody expected', () => {
  it.each([
    ['in a timer', 'SIGUSR2'],
    ['of a promise', 'SIGURG'],
  ] as const)(
    '%s is logged and counted; what is under way is answered, and the process ends with 1',
    async (_, signal) => {
      await using started = await start([], { preload: join(dir.path, 'planted.mjs') });
      const { proxy, address, admin } = started;
      const before = asked;
      const answer = fetchPage(address, '/soon');
      await waitFor(() => asked > before, { what: 'the request at the application', everyMs: 5 });
      proxy.child.kill(signal);
      expect(await answer).toEqual({ status: 200, body: 'answered' });
      await waitFor(() => proxy.stderr().includes('unexpected error') || proxy.stdout().includes('unexpected error'));
      // It may have ended by now.
      expect([1, undefined]).toContain(await statOf(admin, 'server.unexpected_errors'));
      await expect(fetchPage(address, '/')).rejects.toThrow(/ECONNREFUSED|ECONNRESET|hang up/);
      expect(await proxy.exited).toBe(1);
      expect(proxy.stderr() + proxy.stdout()).toMatch(/planted in a/);
      expect(proxy.messages.at(-1)).toMatchObject({ type: 'drained' });
    },
  );

  it('cuts what takes too long, and a second error ends it at once', async () => {
    await using started = await start([], { preload: join(dir.path, 'planted.mjs') });
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
    await using started = await start(['--max-connections', '10000'], { descriptors: 240 });
    const { proxy, address, admin, port } = started;
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
    await waitFor(async () => ((await statOf(admin, 'listener_manager.accept_stopped.descriptors')) ?? 0) >= 1, {
      what: 'the end of accepting',
    });
    expect(await statOf(admin, 'listener_manager.accept_stopped.active')).toBe(1);
    // To the application it needs one more.
    first.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    await waitFor(() => kept.includes('at once'), { what: 'an answer on the first connection' });
    expect(await statOf(admin, 'listener.in.downstream_cx_no_descriptor')).toBeGreaterThanOrEqual(1);
    expect((proxy.stderr() + proxy.stdout()).match(/no descriptors are left/g)).toHaveLength(1);
    sockets.forEach((socket) => socket.destroy());
    await waitFor(async () => (await fetchPage(address, '/').catch(() => undefined))?.status === 200, {
      what: 'a new client to be served',
    });
    expect(await statOf(admin, 'listener_manager.accept_stopped.active')).toBe(0);
  });
});
