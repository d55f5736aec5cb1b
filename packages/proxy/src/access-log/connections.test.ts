// What is told of connections: counted and read on real ones.
import { readFile } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { AccessLogSchema } from '@weft/contracts/lean/envoy/config/accesslog/v3/accesslog';
import { FileAccessLogSchema } from '@weft/contracts/lean/envoy/extensions/access_loggers/file/v3/file';
import { type TempDir, tempDir, waitFor } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { fileLogs } from '../test-support/access-logs.ts';
import { spiffe } from '../test-support/certificates.ts';
import { ask, exchange, startProxy, type TestProxy } from '../test-support/harness.ts';
import { clientSocket, secretsOf, serverSocket } from '../test-support/mutual-tls.ts';
import { httpChain, listener, pack, resourceSet, routes, staticCluster, toCluster } from '../test-support/resources.ts';
import { echoUpstream, httpUpstream, tcpUpstream } from '../test-support/upstream.ts';

const logTo = (path: string, operators: readonly string[]) =>
  create(AccessLogSchema, {
    name: 'file',
    configType: {
      case: 'typedConfig',
      value: pack(FileAccessLogSchema, {
        path,
        accessLogFormat: {
          case: 'logFormat',
          value: {
            format: { case: 'jsonFormat', value: Object.fromEntries(operators.map((name) => [name, `%${name}%`])) },
          },
        },
      }),
    },
  });
const lineOf = async (path: string, number = 0): Promise<Record<string, unknown>> => {
  const line = await waitFor(
    async () => (await readFile(path, 'utf8').catch(() => '')).split('\n').slice(0, -1)[number],
    {
      what: 'a line of the log',
      timeoutMs: 10_000,
    },
  );
  return JSON.parse(line) as Record<string, unknown>;
};

const BYTES = ['DOWN', 'UP'].flatMap((side) =>
  ['WIRE', 'HEADER'].flatMap((kind) => ['SENT', 'RECEIVED'].map((way) => `${side}STREAM_${kind}_BYTES_${way}`)),
);

const logged = async (
  dir: TempDir,
  port: number,
  operators: readonly string[],
): Promise<{ proxy: TestProxy; path: string }> => {
  const path = join(dir.path, 'log');
  const proxy = await startProxy(
    resourceSet({
      listeners: [
        listener('in', [
          httpChain(routes(toCluster('a')), { accessLog: [logTo(path, operators)] }, { name: 'the-chain' }),
        ]),
      ],
      clusters: [staticCluster('a', [port])],
    }),
    { accessLogs: fileLogs() },
  );
  return { proxy, path };
};

describe('bytes on the wire', () => {
  it('of HTTP/1.1 are those that were sent and received, on both sides', async () => {
    let [received, sent] = ['', ''];
    await using upstream = await tcpUpstream((socket) => {
      socket.on('data', (chunk) => {
        received += chunk.toString('latin1');
        if (!received.endsWith('0\r\n\r\n')) return;
        sent = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n';
        socket.end(sent);
      });
    });
    await using dir = await tempDir();
    const { proxy, path } = await logged(dir, upstream.port, BYTES);
    await using _ = proxy;
    const head = 'POST /x HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n';
    const body = '5\r\nhello\r\n0\r\n\r\n';
    const answer = await exchange(proxy.portOf('in'), [head, body]);
    expect(answer).toContain('abc');
    const headOf = (text: string): number => text.indexOf('\r\n\r\n') + 4;
    expect(await lineOf(path)).toEqual({
      DOWNSTREAM_WIRE_BYTES_RECEIVED: head.length + body.length,
      DOWNSTREAM_HEADER_BYTES_RECEIVED: head.length,
      DOWNSTREAM_WIRE_BYTES_SENT: answer.length,
      DOWNSTREAM_HEADER_BYTES_SENT: headOf(answer),
      UPSTREAM_WIRE_BYTES_SENT: received.length,
      UPSTREAM_HEADER_BYTES_SENT: headOf(received),
      UPSTREAM_WIRE_BYTES_RECEIVED: sent.length,
      UPSTREAM_HEADER_BYTES_RECEIVED: headOf(sent),
    });
  });

  it('are of each request alone, where many share a connection', async () => {
    await using upstream = await httpUpstream((_request, response) => response.end('x'.repeat(100)));
    await using dir = await tempDir();
    const { proxy, path } = await logged(dir, upstream.port, [...BYTES, 'CONNECTION_ID', 'UPSTREAM_CONNECTION_ID']);
    await using _ = proxy;
    const request = 'GET / HTTP/1.1\r\nhost: h\r\n\r\n';
    const answers = await exchange(
      proxy.portOf('in'),
      request + request + request.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n'),
    );
    const [first, second, third] = [await lineOf(path), await lineOf(path, 1), await lineOf(path, 2)];
    // How long the upstream took stands in the answers, in one digit or two.
    const [, , ...sent] = answers.split('HTTP/1.1 ').map((text) => 'HTTP/1.1 '.length + text.length);
    const sizes = (length = 0) => ({ DOWNSTREAM_WIRE_BYTES_SENT: length, DOWNSTREAM_HEADER_BYTES_SENT: length - 100 });
    expect(second).toEqual({ ...first, ...sizes(sent[0]) });
    expect(third).toMatchObject(sizes(sent[1]));
    expect(first).toMatchObject({ CONNECTION_ID: expect.any(Number), DOWNSTREAM_WIRE_BYTES_RECEIVED: request.length });
    expect(third['DOWNSTREAM_WIRE_BYTES_RECEIVED']).toBe(request.length + 'connection: close\r\n'.length);
  });

  it('of HTTP/2 are frames with their heads', async () => {
    await using upstream = await httpUpstream((request, response) =>
      request.resume().on('end', () => response.end('abcde')),
    );
    await using dir = await tempDir();
    const { proxy, path } = await logged(dir, upstream.port, [...BYTES, 'UPSTREAM_PROTOCOL', 'FILTER_CHAIN_NAME']);
    await using _ = proxy;
    const session = connectHttp2(`http://127.0.0.1:${proxy.portOf('in')}`);
    await new Promise<void>((resolve, reject) => {
      const request = session.request({ ':method': 'POST', ':path': '/' });
      request.on('error', reject).on('end', resolve).resume();
      request.write('hello');
      setTimeout(() => request.end('world!'), 20);
    });
    session.close();
    const line = await lineOf(path);
    const number = (name: string): number => Number(line[name]);
    // One frame with data or up to three, as the client's library likes.
    const data = number('DOWNSTREAM_WIRE_BYTES_RECEIVED') - number('DOWNSTREAM_HEADER_BYTES_RECEIVED');
    expect([11 + 9, 11 + 2 * 9, 11 + 3 * 9]).toContain(data);
    expect(number('DOWNSTREAM_WIRE_BYTES_SENT') - number('DOWNSTREAM_HEADER_BYTES_SENT')).toBeGreaterThanOrEqual(5 + 9);
    expect(number('DOWNSTREAM_HEADER_BYTES_SENT')).toBeGreaterThan(9);
    expect(line).toMatchObject({ UPSTREAM_PROTOCOL: 'HTTP/1.1', FILTER_CHAIN_NAME: 'the-chain' });
  });
});

describe('TLS between two proxies', () => {
  const ASKED = [
    'TLS_VERSION',
    'TLS_CIPHER',
    'PEER_SUBJECT',
    'PEER_ISSUER',
    'PEER_URI_SAN',
    'LOCAL_URI_SAN',
    'PEER_CERT_V_END(%Y)',
  ];
  it('is told at both ends', async () => {
    await using upstream = await echoUpstream('a');
    await using dir = await tempDir();
    const [serverLog, clientLog] = [join(dir.path, 'server'), join(dir.path, 'client')];
    await using server = await startProxy(
      resourceSet({
        listeners: [
          listener('in', [
            httpChain(
              routes(toCluster('a')),
              {
                accessLog: [
                  logTo(
                    serverLog,
                    ASKED.map((name) => `DOWNSTREAM_${name}`),
                  ),
                ],
              },
              { transportSocket: serverSocket },
            ),
          ]),
        ],
        clusters: [staticCluster('a', [upstream.port])],
      }),
      { accessLogs: fileLogs(), secrets: secretsOf('server') },
    );
    await using client = await startProxy(
      resourceSet({
        listeners: [
          listener('out', [
            httpChain(routes(toCluster('b')), {
              accessLog: [
                logTo(
                  clientLog,
                  [...ASKED, 'TLS_GROUP', 'SERVER_NAME'].map((name) => `UPSTREAM_${name}`),
                ),
              ],
            }),
          ]),
        ],
        clusters: [staticCluster('b', [server.portOf('in')], { transportSocket: clientSocket('server') })],
      }),
      { accessLogs: fileLogs(), secrets: secretsOf('client') },
    );
    expect((await ask({ port: client.portOf('out') })).status).toBe(200);
    const common = { TLS_VERSION: 'TLSv1.3', TLS_CIPHER: expect.stringMatching(/^TLS_/), PEER_SUBJECT: 'O=weft test', PEER_ISSUER: 'O=weft test root', 'PEER_CERT_V_END(%Y)': expect.stringMatching(/^\d{4}$/) }; // prettier-ignore
    const named = (side: string, values: object): object =>
      Object.fromEntries(Object.entries(values).map(([name, value]) => [`${side}STREAM_${name}`, value as unknown]));
    expect(await lineOf(serverLog)).toEqual(
      named('DOWN', { ...common, PEER_URI_SAN: spiffe('client'), LOCAL_URI_SAN: spiffe('server') }),
    );
    expect(await lineOf(clientLog)).toEqual(
      named('UP', {
        ...common,
        PEER_URI_SAN: spiffe('server'),
        LOCAL_URI_SAN: spiffe('client'),
        TLS_GROUP: 'X25519',
        SERVER_NAME: 'outbound_.80_._.server.default.svc.cluster.local',
      }),
    );
  });
});

describe('hosts that were tried', () => {
  it('are listed with the connection that was got at last', async () => {
    await using upstream = await echoUpstream('a');
    await using dir = await tempDir();
    const path = join(dir.path, 'log');
    await using proxy = await startProxy(
      resourceSet({
        listeners: [
          listener('in', [
            httpChain(
              routes(toCluster('a', { retryPolicy: { retryOn: 'connect-failure', numRetries: 3, retryHostPredicate: [{ name: 'envoy.retry_host_predicates.previous_hosts' }], hostSelectionRetryMaxAttempts: 20n } })),
              { accessLog: [logTo(path, ['UPSTREAM_HOSTS_ATTEMPTED', 'UPSTREAM_CONNECTION_IDS_ATTEMPTED', 'UPSTREAM_CONNECTION_POOL_READY_DURATION'])] },
            ),
          ]),
        ],
        clusters: [staticCluster('a', [1, upstream.port])],
      }),
      { accessLogs: fileLogs() },
    ); // prettier-ignore
    for (let i = 0; i < 6; i += 1) expect((await ask({ port: proxy.portOf('in') })).status).toBe(200);
    const lines = await Promise.all([0, 1, 2, 3, 4, 5].map((number) => lineOf(path, number)));
    expect(lines.map((line) => line['UPSTREAM_HOSTS_ATTEMPTED'])).toContain(`127.0.0.1:1,127.0.0.1:${upstream.port}`);
    for (const line of lines)
      expect(line).toMatchObject({ UPSTREAM_CONNECTION_IDS_ATTEMPTED: expect.stringMatching(/^\d+$/), UPSTREAM_CONNECTION_POOL_READY_DURATION: expect.any(Number) }); // prettier-ignore
  });
});
