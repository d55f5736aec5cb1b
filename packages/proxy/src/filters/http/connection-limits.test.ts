// What Envoy's fields say of a client's connection and of heads, at the limit and just beyond it.
import { afterEach, describe, expect, it } from 'vitest';
import { HttpProtocolOptions_HeadersWithUnderscoresAction as Underscores } from '@weft/contracts/lean/envoy/config/core/v3/protocol';
import { HttpProtocolOptionsSchema } from '@weft/contracts/lean/envoy/extensions/upstreams/http/v3/http_protocol_options';
import { waitFor } from '@weft/testkit';
import { CODE, FRAME } from '../../http2/frames/constants.ts';
import { data, frame, GET as GET2, headers, POST as POST2, RawPeer, u32 } from '../../http2/test-support/raw-peer.ts';
import { ask, exchange, startProxy, type TestProxy } from '../../test-support/harness.ts';
import {
  httpChain,
  listener,
  pack,
  resourceSet,
  routes,
  staticCluster,
  toCluster,
} from '../../test-support/resources.ts';
import { type RawClient, RawClients } from '../../test-support/raw-client.ts';
import { echoUpstream, httpUpstream, tcpUpstream } from '../../test-support/upstream.ts';

const clients = new RawClients();
afterEach(() => clients.close());

type Hcm = NonNullable<Parameters<typeof httpChain>[1]>;
const through = (port: number, hcm: Hcm, init: object = {}, cluster: object = {}): Promise<TestProxy> =>
  startProxy(
    resourceSet({
      listeners: [listener('in', [httpChain(routes(toCluster('a')), hcm)], init)],
      clusters: [staticCluster('a', [port], cluster)],
    }),
  );
const counted = (proxy: TestProxy, name: string): number => proxy.stats.valueOf(`http.test.${name}`);

const client = (port: number): RawClient => clients.connect(port);
const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
const answers = (text: string): number => text.match(/HTTP\/1\.1 /g)?.length ?? 0;

describe('a connection of a client', () => {
  it('ends with its last request allowed, over HTTP/1.1 and HTTP/2', async () => {
    await using upstream = await httpUpstream((_, response) => response.end('x'));
    await using proxy = await through(upstream.port, { commonHttpProtocolOptions: { maxRequestsPerConnection: 3 } });
    const text = await exchange(proxy.portOf('in'), GET.repeat(5));
    expect([answers(text), text.match(/connection: close/gi)?.length]).toEqual([3, 1]);
    expect(counted(proxy, 'downstream_cx_max_requests_reached')).toBe(1);
    using peer = await RawPeer.connect(proxy.portOf('in'));
    peer.send(headers(1, GET2), headers(3, GET2), headers(5, GET2));
    await peer.until(() => peer.goaways.length > 0 && peer.endOf(5), 'the last answer and GOAWAY');
    expect(counted(proxy, 'downstream_cx_max_requests_reached')).toBe(2);
  });

  it('ends when it is old enough: idle at once, else with its answer', async () => {
    let answer = (): void => {};
    await using upstream = await httpUpstream((_, response) => {
      answer = () => response.end('late');
    });
    await using proxy = await through(upstream.port, {
      commonHttpProtocolOptions: { maxConnectionDuration: { nanos: 400_000_000 } },
    });
    const [idle, busy] = [client(proxy.portOf('in')), client(proxy.portOf('in'))];
    busy.socket.write(GET);
    await waitFor(() => idle.gone(), { what: 'the end of the idle one' });
    await waitFor(() => counted(proxy, 'downstream_cx_max_duration_reached') === 2);
    expect(busy.gone()).toBe(false);
    answer();
    await waitFor(() => busy.gone());
    expect(busy.got()).toMatch(/^HTTP\/1.1 200 OK[^]*connection: close[^]*late$/i);
    await waitFor(() => proxy.path.activeConnections() === 0 && proxy.path.armedTimers() <= 1);
  });

  it('ends when nothing is asked for too long, and is counted', async () => {
    await using proxy = await through(1, { commonHttpProtocolOptions: { idleTimeout: { nanos: 200_000_000 } } });
    const silent = client(proxy.portOf('in'));
    await waitFor(() => silent.gone());
    using peer = await RawPeer.connect(proxy.portOf('in'));
    await peer.until(() => peer.goaways.length > 0, 'GOAWAY');
    expect(counted(proxy, 'downstream_cx_idle_timeout')).toBe(2);
  });

  it('of a client that reads slowly holds back the upstream, and goes on when it reads', async () => {
    const block = Buffer.alloc(1024 * 1024);
    let sent = 0;
    await using upstream = await tcpUpstream((socket) => {
      socket.on('error', () => {});
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n');
      const push = (): void => {
        while (!socket.destroyed && socket.write(block)) sent += block.length;
        sent += block.length;
        socket.once('drain', push);
      };
      push();
    });
    await using proxy = await through(upstream.port, {}, { perConnectionBufferLimitBytes: 8 * 1024 });
    const reader = client(proxy.portOf('in'));
    reader.socket.pause();
    reader.socket.write(GET);
    // What is on its way is with the system, on both legs.
    let last = -1;
    await waitFor(
      () => {
        const still = sent > 0 && sent === last;
        last = sent;
        return still;
      },
      { everyMs: 500, what: 'the upstream to be held back' },
    );
    expect(proxy.stats.valueOf('cluster.a.upstream_flow_control_paused_reading_total')).toBeGreaterThanOrEqual(1);
    reader.socket.resume();
    await waitFor(() => sent > last, { what: 'more once it is read' });
  });
});

describe('a head', () => {
  const fields = (count: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`x-${i}`, 'v']));

  it('has as many fields and bytes as the listener allows', async () => {
    await using upstream = await httpUpstream((_, response) => response.end('x'));
    await using proxy = await through(upstream.port, {
      maxRequestHeadersKb: 2,
      commonHttpProtocolOptions: { maxHeadersCount: 10 },
    });
    const port = proxy.portOf('in');
    // Host and Connection are two.
    const status = async (more: Record<string, string>) =>
      (await ask({ port, headers: { connection: 'close', ...more } })).status;
    expect([await status(fields(8)), await status(fields(9))]).toEqual([200, 431]);
    expect([await status({ a: 'x'.repeat(1_900) }), await status({ a: 'x'.repeat(2_100) })]).toEqual([200, 431]);
    expect(counted(proxy, 'reason.headers-too-large')).toBe(2);
    using peer = await RawPeer.connect(port);
    const lines = (count: number): string[] => [...GET2, ...Array.from({ length: count }, (_, i) => `x-${i}:v`)];
    peer.send(headers(1, lines(6)), headers(3, lines(20)), headers(5, GET2));
    await peer.until(() => peer.endOf(5), 'the last answer');
    const statuses = peer.of(FRAME.headers).map((seen) => [seen.streamId, peer.decode(seen)[0]]);
    expect(new Map(statuses as [number, string][])).toEqual(
      new Map([
        [1, ':status: 200'],
        [3, ':status: 431'],
        [5, ':status: 200'],
      ]),
    );
  });

  it('of an answer has as many fields as the cluster allows', async () => {
    await using upstream = await httpUpstream((request, response) => {
      response.sendDate = false;
      response.writeHead(200, { 'content-length': 0, ...fields(Number(request.url?.slice(1))) }).end();
    });
    const options = pack(HttpProtocolOptionsSchema, {
      commonHttpProtocolOptions: { maxHeadersCount: 10 },
      upstreamProtocolOptions: {
        case: 'explicitHttpConfig',
        value: { protocolConfig: { case: 'httpProtocolOptions', value: {} } },
      },
    });
    await using proxy = await through(
      upstream.port,
      {},
      {},
      { typedExtensionProtocolOptions: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': options } },
    );
    const port = proxy.portOf('in');
    const status = async (path: string) => (await ask({ port, path })).status;
    // Content-Length, Connection, Keep-Alive.
    expect([await status('/7'), await status('/8')]).toEqual([200, 502]);
    expect(counted(proxy, 'reason.upstream-protocol-error')).toBe(1);
  });

  it.each([
    ['ALLOW', Underscores.ALLOW, 200, true, ''],
    ['REJECT_REQUEST', Underscores.REJECT_REQUEST, 400, false, 'requests_rejected_with_underscores'],
    ['DROP_HEADER', Underscores.DROP_HEADER, 200, false, 'dropped_headers_with_underscores'],
  ])('with names that have underscores: %s', async (_, action, status, arrives, counter) => {
    await using upstream = await echoUpstream('a');
    await using proxy = await through(upstream.port, {
      commonHttpProtocolOptions: { headersWithUnderscoresAction: action },
    });
    const answer = await ask({ port: proxy.portOf('in'), headers: { a_b: '1', X_C: '2', 'a-b': '3' } });
    expect([answer.status, answer.body.includes('"a_b":"1"'), answer.body.includes('"x_c":"2"')]).toEqual([
      status,
      arrives,
      arrives,
    ]);
    if (status === 200) expect(answer.body).toContain('"a-b":"3"');
    else expect(answer.headers['x-weft-reason']).toBe('underscored-header');
    if (counter !== '') expect(counted(proxy, counter)).toBe(1);
  });
});

describe('floods over HTTP/2', () => {
  const limited = async (options: NonNullable<Hcm['http2ProtocolOptions']>, send: (peer: RawPeer) => void) => {
    await using upstream = await httpUpstream((request, response) => {
      request.on('end', () => response.end('x')).resume();
    });
    await using proxy = await through(upstream.port, { http2ProtocolOptions: options });
    using peer = await RawPeer.connect(proxy.portOf('in'));
    send(peer);
    await waitFor(() => peer.goaways.length > 0 || peer.endOf(99), { what: 'GOAWAY, or the last answer' });
    return peer.goaways[0]?.code === CODE.enhanceYourCalm ? peer.goaways[0].detail : 'served';
  };
  const last = headers(99, GET2);
  const empty = (count: number) => Array.from({ length: count }, () => data(1, ''));
  const priority = (count: number) =>
    Array.from({ length: count }, () => frame(FRAME.priority, 0, 3, Buffer.from([0, 0, 0, 1, 1])));
  const updates = (count: number) => Array.from({ length: count }, () => frame(FRAME.windowUpdate, 0, 0, u32(1)));

  it.each([0, 2])('Envoy’s bound of empty DATA frames: %i', async (most) => {
    const run = (count: number) =>
      limited({ maxConsecutiveInboundFramesWithEmptyPayload: most }, (peer) =>
        peer.send(headers(1, POST2, false), ...empty(count), data(1, 'x', true), last),
      );
    expect([await run(most), await run(most + 1)]).toEqual(['served', 'empty_frames_flood']);
  });

  it('Envoy’s bound of PRIORITY frames', async () => {
    // 4 for each stream, and one more stream than there are.
    const run = (count: number) =>
      limited({ maxInboundPriorityFramesPerStream: 4 }, (peer) =>
        peer.send(headers(1, GET2), ...priority(count), last),
      );
    expect([await run(8), await run(9)]).toEqual(['served', 'priority_flood']);
  });

  it('Envoy’s bound of WINDOW_UPDATE frames', async () => {
    // 5, and 2 for the stream; no data was sent yet.
    const run = (count: number) =>
      limited({ maxInboundWindowUpdateFramesPerDataFrameSent: 10 }, (peer) =>
        peer.send(headers(1, POST2, false), ...updates(count), data(1, 'x', true), last),
      );
    expect([await run(7), await run(8)]).toEqual(['served', 'window_update_flood']);
  });
});
