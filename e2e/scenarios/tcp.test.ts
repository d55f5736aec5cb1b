/** Connections that are no HTTP: routes, splits, TLS by name, tunnels, and who speaks first. */
import { connect, createServer } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { waitFor } from '@weft/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { foreignCertificate } from '../harness/certificates.ts';
import { edgeTo } from '../harness/edge.ts';
import { findEnvoy } from '../harness/envoy.ts';
import { startMesh, type TestMesh } from '../harness/mesh.ts';
import { programPath, startEcho } from '../harness/programs.ts';
import { raw } from '../harness/raw.ts';

const envoy = findEnvoy();
let mesh: TestMesh;

beforeAll(async () => {
  mesh = await startMesh();
  await startEcho(mesh, { service: 'caller', version: 'v1' });
  const program = (service: string, version: string, port: number, protocol: string, env: Record<string, string> = {}) =>
    mesh.run(
      [`--service=${service}`, `--version=${version}`, `--name=${service}-${version}`, `--port=${port}`, `--protocol=${protocol}`, '--', process.execPath, programPath('tcp.mjs')],
      { env: { VERSION: version, ...env } },
    ); // prettier-ignore
  const { key, cert } = foreignCertificate('spiffe://elsewhere/ns/a/sa/b');
  const tls = { TLS_KEY: key, TLS_CERT: cert };
  await Promise.all([
    program('lines', 'v1', 7000, 'tcp'),
    program('lines', 'v2', 7000, 'tcp'),
    program('first', 'v1', 7001, 'tcp', { FIRST: '1' }),
  ]);
  await Promise.all([
    program('greeter', 'v1', 7002, 'tcp', { GREETING: 'hello from' }),
    program('anything', 'v1', 7003, 'mystery', { GREETING: 'hello from' }),
    program('forward', 'v1', 7004, 'tcp', { CONNECT: '1' }),
  ]);
  await Promise.all([program('secure', 'v1', 7443, 'tls', tls), program('secure', 'v2', 7443, 'tls', tls)]);
  await mesh.apply(['lines', 'secure'].map(subsets).join('\n---\n'));
});
afterAll(() => mesh?.[Symbol.asyncDispose]());
beforeEach(async () => {
  for (const name of ['lines', 'secure']) await mesh.delete(`virtualservice/${name}`);
});

const subsets = (host: string): string => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${host} }
spec:
  host: ${host}
  subsets:
    - { name: v1, labels: { version: v1 } }
    - { name: v2, labels: { version: v2 } }
`;
const rule = (host: string, policy: string): Promise<void> =>
  mesh.apply(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${host} }
spec: { host: ${host}, trafficPolicy: ${policy} }
`);
const routes = (host: string, kind: string, list: string, names: readonly string[] = []): Promise<void> =>
  mesh.apply(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${host} }
spec:
  hosts: ${JSON.stringify([host, ...names])}
  ${kind}:
${list}
`);

/** Says `text`, ends its side when `ends`, and gathers what comes until the other side ends or `until` was there. */
async function talk(service: string, port: number, text: string, { ends = true, until = '' } = {}): Promise<string> {
  const { hostname, port: bound } = new URL(await mesh.outbound('caller-v1', service, port));
  return new Promise((resolve) => {
    let got = '';
    const socket = connect({ host: hostname, port: Number(bound), allowHalfOpen: true }, () => {
      if (ends) socket.end(text);
      else if (text !== '') socket.write(text);
    });
    socket.setTimeout(15_000, () => socket.destroy());
    socket.on('data', (data) => {
      got += data.toString('latin1');
      if (until !== '' && got.includes(until)) socket.destroy();
    });
    socket.on('end', () => socket.end());
    socket.on('error', () => {});
    socket.on('close', () => resolve(got));
  });
}

describe('TR-10 TCP', () => {
  it('TR-10 bytes both ways, and each direction ends on its own', async () => {
    expect(await talk('lines', 7000, 'one\ntwo\n')).toMatch(/^(v[12]):one\n\1:two\nbye \1\n$/);
    const long = 'x'.repeat(2_000_000);
    expect(await talk('lines', 7000, `${long}\n`)).toMatch(/^v[12]:x{2000000}\nbye v[12]\n$/);
  });

  it('TR-10 routes by weight', async () => {
    await routes('lines', 'tcp', `
    - route:
        - { destination: { host: lines, subset: v1 }, weight: 80 }
        - { destination: { host: lines, subset: v2 }, weight: 20 }`); // prettier-ignore
    const versions = await Promise.all(Array.from({ length: 200 }, () => talk('lines', 7000, '\n')));
    const second = versions.filter((answer) => answer.startsWith('v2:')).length;
    expect(versions.every((answer) => /^(v[12]):\nbye \1\n$/.test(answer))).toBe(true);
    // 40 of 200 are expected; these bounds miss once in some ten thousand runs.
    expect(second).toBeGreaterThan(15);
    expect(second).toBeLessThan(70);
  });

  it('TR-10 routes by port and by labels of the caller', async () => {
    await routes('lines', 'tcp', `
    - match: [{ port: 7000, sourceLabels: { app: nobody } }, { port: 1 }]
      route: [{ destination: { host: lines, subset: v1 } }]
    - match: [{ port: 7000, sourceLabels: { app: caller } }]
      route: [{ destination: { host: lines, subset: v2 } }]`); // prettier-ignore
    for (let i = 0; i < 5; i += 1) expect(await talk('lines', 7000, 'a\n')).toBe('v2:a\nbye v2\n');
  });

  it('TR-10 a server that speaks first is heard', async () => {
    expect(await talk('greeter', 7002, '', { ends: false, until: '\n' })).toBe('hello from v1\n');
  });

  it('TR-10 also where nobody declared what is spoken, after a bounded wait', async () => {
    const waitingMs = performance.now();
    expect(await talk('anything', 7003, '', { ends: false, until: '\n' })).toBe('hello from v1\n');
    // Whoever speaks first does not wait.
    const startMs = performance.now();
    expect(await talk('anything', 7003, 'a line\n', { ends: false, until: 'v1:' })).toContain('v1:a line\n');
    expect(performance.now() - startMs).toBeLessThan(startMs - waitingMs);
  });
});

describe('TR-10 TLS', () => {
  const tls = async (servername: string): Promise<string> => {
    const { hostname, port } = new URL(await mesh.outbound('caller-v1', 'secure', 7443));
    return new Promise((resolve) => {
      let got = '';
      const socket = connectTls({ host: hostname, port: Number(port), rejectUnauthorized: false, servername }, () => socket.write('x\n')); // prettier-ignore
      socket.setTimeout(15_000, () => socket.destroy());
      socket.on('data', (data) => {
        got += data.toString();
        socket.destroy();
      });
      socket.on('error', (error) => (got += error.message));
      socket.on('close', () => resolve(got));
    });
  };

  it('TR-10 goes through as it is, by the name that the client asks for', async () => {
    await routes('secure', 'tls', `
    - match: [{ port: 7443, sniHosts: [one.example, "*.ones.example"] }]
      route: [{ destination: { host: secure, subset: v1 } }]
    - match: [{ port: 7443, sniHosts: [two.example, one.example] }]
      route: [{ destination: { host: secure, subset: v2 } }]
    - match: [{ port: 1, sniHosts: [other.example] }]
      route: [{ destination: { host: secure, subset: v2 } }]`, ['one.example', '*.ones.example', 'two.example', 'other.example']); // prettier-ignore
    for (let i = 0; i < 4; i += 1) {
      expect(await tls('one.example')).toBe('v1:x\n');
      expect(await tls('ONE.example')).toBe('v1:x\n');
      expect(await tls('many.ones.example')).toBe('v1:x\n');
      expect(await tls('two.example')).toBe('v2:x\n');
    }
    // Names of no route go to the service that was dialled, whichever instance.
    const others = await Promise.all(Array.from({ length: 12 }, () => tls('other.example')));
    expect(new Set(others)).toEqual(new Set(['v1:x\n', 'v2:x\n']));
  });
});

describe('TR-14 PROXY protocol and tunnels', () => {
  it.each(['V1', 'V2'])('TR-14 a destination is told of the caller by the PROXY protocol %s', async (version) => {
    await mesh.apply(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: first }
spec: { host: first, trafficPolicy: { tls: { mode: DISABLE }, proxyProtocol: { version: ${version} } } }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: first }
spec: { selector: { matchLabels: { app: first } }, mtls: { mode: DISABLE } }
`);
    const got = Buffer.from((await talk('first', 7001, 'payload', { ends: false, until: '\n' })).trim(), 'hex');
    if (version === 'V1') expect(got.toString()).toMatch(/^PROXY TCP4 127\.\S+ 127\.\S+ \d+ 7001\r\n/);
    else expect(got.subarray(0, 14).toString('hex')).toBe('0d0a0d0a000d0a515549540a2111');
    await mesh.delete('destinationrule/first');
    const plain = Buffer.from((await talk('first', 7001, 'payload', { ends: false, until: '\n' })).trim(), 'hex');
    expect(plain.toString()).toBe('payload');
    await mesh.delete('peerauthentication/first');
  });

  it('TR-14 a gateway behind another proxy is told of its clients by the PROXY protocol, and serves nobody else', async () => {
    const get = 'GET /who HTTP/1.1\r\nhost: caller\r\nconnection: close\r\n\r\n';
    await mesh.apply(edgeTo('caller'));
    await waitFor(async () => (await raw(mesh.gateway, get)).includes('200 OK'), {
      what: 'the gateway',
      timeoutMs: 15_000,
    });
    await mesh.apply(`
apiVersion: weft.dev/v1
kind: MeshConfig
metadata: { name: mesh }
spec: { defaultConfig: { gatewayTopology: { proxyProtocol: {} } } }
`);
    const v2 = Buffer.from('0d0a0d0a000d0a515549540a2111000c0908070601020304138800500000', 'hex')
      .subarray(0, 28)
      .toString('latin1');
    for (const header of ['PROXY TCP4 9.8.7.6 1.2.3.4 5000 80\r\n', v2]) {
      const answer = await raw(mesh.gateway, header + get);
      expect(answer).toContain('200 OK');
      expect(answer).toMatch(/"x-forwarded-for":"9\.8\.7\.6/);
    }
    for (const other of [get, `PROXY NONSENSE\r\n${get}`]) expect(await raw(mesh.gateway, other)).toBe('');
    // Sidecars are no gateways.
    expect(await talk('lines', 7000, 'one\n')).toMatch(/^v[12]:one\n/);
    await mesh.delete('meshconfig/mesh');
    const answer = await raw(mesh.gateway, get);
    expect(answer).toContain('200 OK');
    expect(answer).not.toContain('9.8.7.6');
    await mesh.delete('gateway/edge');
    await mesh.delete('virtualservice/edge');
  });

  it('TR-14 TCP goes through a tunnel of a forward proxy, and nowhere when that says no', async () => {
    await rule('forward', '{ tunnel: { protocol: CONNECT, targetHost: far.example, targetPort: 4444 } }');
    expect(await talk('forward', 7004, 'data', { ends: false, until: '>' })).toBe('CONNECT far.example:4444\n<data>');
    await rule('forward', '{ tunnel: { targetHost: forbidden.example, targetPort: 1 } }');
    expect(await talk('forward', 7004, 'data')).toBe('');
    await mesh.delete('destinationrule/forward');
    expect(await talk('forward', 7004, 'HELLO there ', { ends: false, until: '\n' })).toContain('HELLO there');
  });

  it('TR-14 a tunnel to an Envoy that ends it is a connection to what lies behind, until the rule goes', async ({
    skip,
  }) => {
    if (envoy.path === undefined) return skip(envoy.reason);
    if (mesh.isolated) return skip('what lies behind is outside the mesh');
    await using behind = await linesServer();
    await mesh.run(
      ['--service=egress', '--version=v1', '--name=egress-v1', '--port=7005', '--protocol=tcp', '--', 'sh', '-c', 'exec "$ENVOY" --config-yaml "$(echo "$CONFIG" | sed "s/@PORT@/$PORT/")" --concurrency 1 --disable-hot-restart -l error'],
      { env: { ENVOY: envoy.path, CONFIG: JSON.stringify(tunnelEnd(behind.port)) } },
    ); // prettier-ignore
    await rule('egress', '{ tunnel: { protocol: CONNECT, targetHost: far.example, targetPort: 4444 } }');
    expect(await talk('egress', 7005, 'one\ntwo\n', { ends: false, until: '2:two\n' })).toBe('1:one\n2:two\n');
    expect(behind.connections()).toBe(1);
    // POST is no tunnel for it, and bytes that ask for none are no HTTP.
    await rule('egress', '{ tunnel: { protocol: POST, targetHost: far.example, targetPort: 4444 } }');
    expect(await talk('egress', 7005, 'one\n')).toBe('');
    await mesh.delete('destinationrule/egress');
    const get = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n';
    expect(await talk('egress', 7005, get, { ends: false, until: '\r\n\r\n' })).toMatch(/^HTTP\/1\.1 404/);
    expect(behind.connections()).toBe(1);
  });
});

/** Numbers the lines that it gets. */
async function linesServer(): Promise<AsyncDisposable & { readonly port: number; connections(): number }> {
  let count = 0;
  const server = createServer((socket) => {
    count += 1;
    let [text, line] = ['', 0];
    socket.on('error', () => {});
    socket.on('data', (data) => {
      text += data.toString();
      const parts = text.split('\n');
      text = parts.pop() ?? '';
      for (const part of parts) socket.write(`${(line += 1)}:${part}\n`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    connections: () => count,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** An Envoy that ends tunnels of everybody; `@PORT@` is where. */
function tunnelEnd(port: number): object {
  const type = (name: string): string => `type.googleapis.com/envoy.extensions.filters.${name}`;
  const at = (address: string, value: unknown): object => ({ socket_address: { address, port_value: value } });
  const upgrade = { upgrade_type: 'CONNECT' };
  const route = {
    match: { connect_matcher: {} },
    route: { cluster: 'behind', upgrade_configs: [{ ...upgrade, connect_config: {} }] },
  };
  const manager = {
    '@type': type('network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: 'x',
    upgrade_configs: [upgrade],
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }] },
    http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': type('http.router.v3.Router') } }],
  };
  const filter = { name: 'envoy.filters.network.http_connection_manager', typed_config: manager };
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: at('127.0.0.1', port) } }] }];
  return {
    static_resources: {
      listeners: [{ address: at('127.0.0.1', '@PORT@'), filter_chains: [{ filters: [filter] }] }],
      clusters: [{ name: 'behind', type: 'STATIC', load_assignment: { cluster_name: 'behind', endpoints } }],
    },
  };
}
