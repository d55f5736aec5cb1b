// The same formats before the same requests, written by Envoy and by this proxy.
import { readFile } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import type { JsonObject } from '@bufbuild/protobuf';
import { freePort, tempDir, waitFor } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fileLogs } from '../test-support/access-logs.ts';
import { certificate, roots } from '../test-support/certificates.ts';
import { addressOf, findEnvoy, ours, startEnvoy, type StaticResources, TYPE } from '../test-support/envoy.ts';
import { startProxy, TestSecrets, type TestProxy } from '../test-support/harness.ts';
import { tcpUpstream, type TestServer } from '../test-support/upstream.ts';

const envoy = findEnvoy(process.env, 'access logs beside Envoy');
const certificates = fileURLToPath(new URL('../../testdata/certificates/', import.meta.url));

/** Both write the same value for the same request. */
const EQUAL = [
  'PROTOCOL', 'RESPONSE_CODE', 'RESPONSE_CODE_DETAILS', 'RESPONSE_FLAGS', 'RESPONSE_FLAGS_LONG', 'BYTES_RECEIVED', 'BYTES_SENT',
  'REQ(:METHOD)', 'REQ(:PATH)', 'REQ(:AUTHORITY)', 'REQ(X-A?X-B)', 'RESP(X-APP)', 'RESP(:STATUS)', 'PATH(NQ)', 'QUERY_PARAM(a)',
  'UPSTREAM_HOST', 'UPSTREAM_CLUSTER', 'UPSTREAM_REQUEST_ATTEMPT_COUNT', 'UPSTREAM_PROTOCOL', 'ROUTE_NAME', 'FILTER_CHAIN_NAME',
  'UPSTREAM_WIRE_BYTES_RECEIVED', 'DOWNSTREAM_WIRE_BYTES_RECEIVED',
  'ACCESS_LOG_TYPE', 'REQUESTED_SERVER_NAME', 'DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT',
  'DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT', 'DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT', 'UPSTREAM_REMOTE_ADDRESS',
  'DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(8)', 'UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT', 'GRPC_STATUS', 'GRPC_STATUS_NUMBER',
  'DOWNSTREAM_TLS_VERSION', 'DOWNSTREAM_PEER_SUBJECT', 'DOWNSTREAM_PEER_ISSUER', 'DOWNSTREAM_PEER_SERIAL',
  'DOWNSTREAM_PEER_FINGERPRINT_1', 'DOWNSTREAM_PEER_FINGERPRINT_256', 'DOWNSTREAM_PEER_URI_SAN', 'DOWNSTREAM_PEER_DNS_SAN',
  'DOWNSTREAM_PEER_CERT_V_START', 'DOWNSTREAM_PEER_CERT_V_END', 'DOWNSTREAM_PEER_CERT_V_END(%Y-%m-%d)', 'DOWNSTREAM_PEER_CERT',
  'DOWNSTREAM_LOCAL_SUBJECT', 'DOWNSTREAM_LOCAL_URI_SAN', 'DOWNSTREAM_TRANSPORT_FAILURE_REASON', 'CONNECTION_TERMINATION_DETAILS',
  'UPSTREAM_TRANSPORT_FAILURE_REASON', 'LOCAL_REPLY_BODY', 'TRACE_ID', 'VIRTUAL_CLUSTER_NAME', 'DYNAMIC_METADATA(a:b)',
  'CLUSTER_METADATA(app:team)', 'CLUSTER_METADATA(app)', 'UPSTREAM_METADATA(app:zone)', 'METADATA(ROUTE:app:owner)',
  'FILTER_STATE(a:PLAIN)', 'UPSTREAM_TLS_VERSION', 'UPSTREAM_PEER_SUBJECT', 'BYTES_RETRANSMITTED', 'TLS_JA3_FINGERPRINT',
]; // prettier-ignore
/** Both write something, and each its own. */
const PRESENT = [
  'UPSTREAM_HEADER_BYTES_RECEIVED', 'DOWNSTREAM_HEADER_BYTES_RECEIVED', 'DOWNSTREAM_TLS_CIPHER', 'DOWNSTREAM_TLS_SESSION_ID',
  'START_TIME', 'DURATION', 'REQUEST_DURATION', 'RESPONSE_DURATION', 'RESPONSE_TX_DURATION', 'CONNECTION_ID', 'UPSTREAM_CONNECTION_ID',
  'UNIQUE_ID', 'STREAM_ID', 'HOSTNAME', 'DOWNSTREAM_WIRE_BYTES_SENT', 'DOWNSTREAM_HEADER_BYTES_SENT', 'UPSTREAM_WIRE_BYTES_SENT',
  'UPSTREAM_HEADER_BYTES_SENT', 'DOWNSTREAM_REMOTE_PORT', 'DOWNSTREAM_REMOTE_ADDRESS', 'DOWNSTREAM_LOCAL_ADDRESS', 'DOWNSTREAM_DIRECT_LOCAL_ADDRESS',
  'UPSTREAM_LOCAL_ADDRESS', 'COMMON_DURATION(DS_RX_BEG:DS_RX_END:us)',
]; // prettier-ignore

const OPERATORS = [...EQUAL, ...PRESENT];
const accessLog = (path: string): JsonObject[] => [
  {
    name: 'file',
    typed_config: {
      '@type': `${TYPE}.access_loggers.file.v3.FileAccessLog`,
      path,
      log_format: { json_format: Object.fromEntries(OPERATORS.map((name) => [name, `%${name}%`])) },
    },
  },
];
const fromFile = (name: string): JsonObject => ({ filename: join(certificates, name) });

const tls = (secrets: 'files' | 'sds'): JsonObject => ({
  name: 'envoy.transport_sockets.tls',
  typed_config: {
    '@type': `${TYPE}.transport_sockets.tls.v3.DownstreamTlsContext`,
    require_client_certificate: true,
    common_tls_context: {
      alpn_protocols: ['h2', 'http/1.1'],
      ...(secrets === 'files'
        ? {
            tls_certificates: [{ certificate_chain: fromFile('server.pem'), private_key: fromFile('server.key') }],
            validation_context: { trusted_ca: fromFile('root.pem') },
          }
        : {
            tls_certificate_sds_secret_configs: [{ name: 'default' }],
            validation_context_sds_secret_config: { name: 'ROOTCA' },
          }),
    },
  },
});

interface Plan {
  readonly dir: string;
  readonly ports: Readonly<Record<'plain' | 'inner' | 'tls' | 'tcp', number>>;
  readonly upstream: number;
  readonly secrets: 'files' | 'sds';
}

function resources({ dir, ports, upstream, secrets }: Plan): StaticResources {
  const http = (name: string): JsonObject => ({
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: name,
      access_log: accessLog(join(dir, name)),
      use_remote_address: name !== 'inner',
      route_config: {
        name: 'routes',
        virtual_hosts: [
          {
            name: 'all',
            domains: ['*'],
            routes: [
              {
                name: 'the-route',
                match: { prefix: '/' },
                route: { cluster: 'backend' },
                metadata: { filter_metadata: { app: { owner: 'us' } } },
              },
            ],
          },
        ],
      },
      http_filters: [
        { name: 'envoy.filters.http.router', typed_config: { '@type': `${TYPE}.filters.http.router.v3.Router` } },
      ],
    },
  });
  const tcp: JsonObject = {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: {
      '@type': `${TYPE}.filters.network.tcp_proxy.v3.TcpProxy`,
      stat_prefix: 'tcp',
      cluster: 'backend',
      access_log: accessLog(join(dir, 'tcp')),
    },
  };
  return {
    listeners: [
      {
        name: 'plain',
        address: addressOf(ports.plain),
        filter_chains: [{ name: 'the-chain', filters: [http('plain')] }],
      },
      {
        name: 'inner',
        address: addressOf(ports.inner),
        filter_chains: [{ name: 'the-chain', filters: [http('inner')] }],
      },
      {
        name: 'tls',
        address: addressOf(ports.tls),
        listener_filters: [
          {
            name: 'envoy.filters.listener.tls_inspector',
            typed_config: { '@type': `${TYPE}.filters.listener.tls_inspector.v3.TlsInspector` },
          },
        ],
        filter_chains: [{ name: 'secured', filters: [http('tls')], transport_socket: tls(secrets) }],
      },
      { name: 'tcp', address: addressOf(ports.tcp), filter_chains: [{ filters: [tcp] }] },
    ],
    clusters: [
      {
        name: 'backend',
        type: 'STATIC',
        connect_timeout: '5s',
        metadata: { filter_metadata: { app: { team: 'red' } } },
        load_assignment: {
          cluster_name: 'backend',
          endpoints: [
            {
              lb_endpoints: [
                { endpoint: { address: addressOf(upstream) }, metadata: { filter_metadata: { app: { zone: 'a' } } } },
              ],
            },
          ],
        },
      },
    ],
  };
}

/** The plain and the secured way, and TCP. */
type Ports = Plan['ports'];
interface Contestant {
  readonly dir: string;
  readonly ports: Ports;
}

let backend: TestServer;
const cleanup: (() => PromiseLike<unknown>)[] = [];
let both: { readonly envoy: Contestant; readonly weft: Contestant };

/** Answers the same bytes to everybody, once a request with its body is there. */
const startBackend = (): Promise<TestServer> =>
  tcpUpstream((socket) => {
    let got = '';
    socket.on('data', (chunk) => {
      got += chunk.toString('latin1');
      const head = got.indexOf('\r\n\r\n');
      if (head < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(got)?.[1] ?? 0);
      if (got.length < head + 4 + length) return;
      got = '';
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-app: yes\r\n\r\nhello');
    });
    socket.on('end', () => socket.end());
  });

async function startWeft(dir: string): Promise<Contestant> {
  const logs = fileLogs();
  const plan = resources({
    dir,
    ports: { plain: 0, inner: 0, tls: 0, tcp: 0 },
    upstream: backend.port,
    secrets: 'sds',
  });
  const secrets = new TestSecrets();
  secrets.set('default', certificate('server'));
  secrets.set('ROOTCA', roots());
  const proxy: TestProxy = await startProxy(ours(plan), { accessLogs: logs, secrets });
  cleanup.push(
    () => proxy[Symbol.asyncDispose](),
    () => logs.close(),
  );
  const [plain, inner, tls, tcp] = (['plain', 'inner', 'tls', 'tcp'] as const).map((name) => proxy.portOf(name));
  return { dir, ports: { plain: plain ?? 0, inner: inner ?? 0, tls: tls ?? 0, tcp: tcp ?? 0 } };
}

async function startEnvoyWith(dir: string, program: string): Promise<Contestant> {
  const [plain, inner, tls, tcp] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const ports = { plain, inner, tls, tcp };
  const running = await startEnvoy(program, resources({ dir, ports, upstream: backend.port, secrets: 'files' }));
  cleanup.push(() => running[Symbol.asyncDispose]());
  return { dir, ports };
}

/** The lines of one listener, as values by operator. */
async function lines({ dir }: Contestant, listener: string, count: number): Promise<Record<string, unknown>[]> {
  const read = async (): Promise<string[]> =>
    (await readFile(join(dir, listener), 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
  await waitFor(async () => (await read()).length >= count, {
    what: `${count} lines of ${listener}`,
    timeoutMs: 15_000,
  });
  return (await read()).map((line) => JSON.parse(line) as Record<string, unknown>);
}

const POST =
  'POST /path?a=b HTTP/1.1\r\nhost: h.example\r\nuser-agent: tester\r\nx-b: second\r\ncontent-length: 7\r\nconnection: close\r\n\r\npayload';

const talk = (port: number, bytes: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let got = '';
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write(bytes));
    socket.on('data', (chunk) => {
      got += chunk.toString('latin1');
      if (got.endsWith('hello')) socket.end();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(got));
  });

const client = (): { ca: string; cert: string; key: string } => ({
  ca: roots().trustedCa ?? '',
  cert: certificate('client').certificateChain ?? '',
  key: certificate('client').privateKey ?? '',
});

/** By HTTP/2 over TLS. */
const askHttp2 = (port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const session = connectHttp2(`https://localhost:${port}`, {
      ...client(),
      rejectUnauthorized: false,
      createConnection: () =>
        connectTls({
          host: '127.0.0.1',
          port,
          ...client(),
          rejectUnauthorized: false,
          ALPNProtocols: ['h2'],
          servername: 'h.example',
        }),
    });
    session.on('error', reject);
    const request = session.request({
      ':method': 'POST',
      ':path': '/path?a=b',
      ':authority': 'h.example',
      'x-b': 'second',
    });
    request.on('error', reject);
    request.resume();
    request.on('end', () => session.close(() => resolve()));
    request.end('payload');
  });

function compare(envoys: Record<string, unknown> | undefined, ours: Record<string, unknown> | undefined): void {
  const pick = (line: Record<string, unknown> | undefined): Record<string, unknown> =>
    Object.fromEntries(EQUAL.map((name) => [name, line?.[name]]));
  expect(pick(ours)).toEqual(pick(envoys));
  const filled = (line: Record<string, unknown> | undefined): string[] =>
    PRESENT.filter((name) => line?.[name] !== null && line?.[name] !== undefined);
  expect(filled(ours)).toEqual(filled(envoys));
}

beforeAll(async () => {
  if (envoy === undefined) return;
  const [mine, its] = [await tempDir(), await tempDir()];
  cleanup.push(
    () => mine.remove(),
    () => its.remove(),
  );
  backend = await startBackend();
  cleanup.push(() => backend[Symbol.asyncDispose]());
  both = { weft: await startWeft(mine.path), envoy: await startEnvoyWith(its.path, envoy) };
}, 60_000);
afterAll(async () => {
  for (const close of cleanup.toReversed()) await close();
});

describe.skipIf(envoy === undefined)('access logs beside Envoy', () => {
  it('say the same of a request over HTTP/1.1', async () => {
    for (const { ports } of [both.envoy, both.weft]) expect(await talk(ports.plain, POST)).toMatch(/200 OK/);
    compare((await lines(both.envoy, 'plain', 1))[0], (await lines(both.weft, 'plain', 1))[0]);
  });
  it.each([
    ['192.0.2.1, 192.0.2.9', '192.0.2.9:0'],
    ['192.0.2.1, nobody', expect.stringMatching(/^127\.0\.0\.1:[1-9]/)],
  ])('say the same of a client behind others: x-forwarded-for %s', async (forwarded, expected) => {
    const request = POST.replace('\r\n\r\n', `\r\nx-forwarded-for: ${forwarded}\r\n\r\n`);
    const [mine, its] = await Promise.all(
      [both.weft, both.envoy].map(async (one) => {
        const before = (await lines(one, 'inner', 0)).length;
        expect(await talk(one.ports.inner, request)).toMatch(/200 OK/);
        return (await lines(one, 'inner', before + 1))[before];
      }),
    );
    compare(its, mine);
    for (const line of [mine, its]) expect(line?.['DOWNSTREAM_REMOTE_ADDRESS']).toEqual(expected);
  });
  it('say the same of a request over HTTP/2 and mutual TLS', async () => {
    for (const { ports } of [both.envoy, both.weft]) await askHttp2(ports.tls);
    compare((await lines(both.envoy, 'tls', 1))[0], (await lines(both.weft, 'tls', 1))[0]);
  });
  it('say the same of a TCP connection', async () => {
    for (const { ports } of [both.envoy, both.weft]) expect(await talk(ports.tcp, POST)).toMatch(/hello$/);
    compare((await lines(both.envoy, 'tcp', 1))[0], (await lines(both.weft, 'tcp', 1))[0]);
  });
});
