import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { RouteAction_RequestMirrorPolicySchema } from '@weft/contracts/lean/envoy/config/route/v3/route_components';
import { waitFor } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { ask, startProxy, type TestProxy } from '../../../test-support/harness.ts';
import { httpChain, listener, resourceSet, routes, staticCluster, toCluster } from '../../../test-support/resources.ts';
import { echoUpstream, httpUpstream, readBody, tcpUpstream, type TestServer } from '../../../test-support/upstream.ts';
import { shadowOf } from './mirror-head.ts';

type PolicyInit = Exclude<MessageInitShape<typeof RouteAction_RequestMirrorPolicySchema>, { $typeName: string }>;

interface Copy {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Keeps what it is sent. */
async function mirrorServer(): Promise<TestServer & { readonly copies: Copy[] }> {
  const copies: Copy[] = [];
  const server = await httpUpstream((request, response) => {
    readBody(request).then(
      (body) => {
        copies.push({ method: request.method, url: request.url, headers: request.headers, body });
        response.writeHead(500).end('nobody reads this');
      },
      () => undefined,
    );
  });
  return Object.assign(server, { copies });
}

interface Action {
  readonly prefixRewrite?: string;
  readonly timeout?: { readonly nanos: number };
}

const proxyWith = (
  app: TestServer,
  mirrors: Readonly<Record<string, number>>,
  policies: readonly PolicyInit[] = Object.keys(mirrors).map((cluster) => ({ cluster })),
  action: Action = {},
): Promise<TestProxy> =>
  startProxy(
    resourceSet({
      listeners: [
        listener('in', [httpChain(routes(toCluster('app', { requestMirrorPolicies: [...policies], ...action })))]),
      ],
      clusters: [
        staticCluster('app', [app.port]),
        ...Object.entries(mirrors).map(([name, port]) => staticCluster(name, [port])),
      ],
    }),
  );

const counted = (proxy: TestProxy, name: string, cluster = 'copy'): number =>
  proxy.stats.valueOf(`cluster.${cluster}.mirror.${name}`);
const until = (proxy: TestProxy, name: string, value = 1): Promise<unknown> =>
  waitFor(() => counted(proxy, name) === value, { what: `${value} ${name}` });

describe('a mirror', () => {
  it('gets head and body as the upstream does, under a host of its own', async () => {
    await using app = await echoUpstream('app');
    await using copy = await mirrorServer();
    await using proxy = await proxyWith(app, { copy: copy.port }, undefined, { prefixRewrite: '/new/' });
    const port = proxy.portOf('in');
    const answer = await ask({
      port,
      method: 'POST',
      path: '/a?b=c',
      body: ['one,', 'two'],
      headers: { host: 'shop.example:81', 'x-own': 'Kept', expect: '100-continue' },
    });
    expect(JSON.parse(answer.body)).toMatchObject({ name: 'app', url: '/new/a?b=c', body: 'one,two' });
    await until(proxy, 'answered');
    const headers = { host: 'shop.example-shadow:81', 'x-own': 'Kept' };
    expect(copy.copies).toMatchObject([{ method: 'POST', url: '/new/a?b=c', body: 'one,two', headers }]);
    expect(copy.copies[0]?.headers).not.toHaveProperty('expect');
    expect(proxy.records).toHaveLength(1);
    expect(counted(proxy, 'sent')).toBe(1);
  });

  it('may be one of several, each drawn for itself', async () => {
    await using app = await echoUpstream('app');
    await using one = await mirrorServer();
    await using two = await mirrorServer();
    await using proxy = await proxyWith(app, { one: one.port, two: two.port }, [
      { cluster: 'one', disableShadowHostSuffixAppend: true },
      { cluster: 'two', runtimeFraction: { defaultValue: { numerator: 30 } } },
      { cluster: 'one', runtimeFraction: { defaultValue: { numerator: 0 } } },
    ]);
    const port = proxy.portOf('in');
    for (let i = 0; i < 200; i += 1) await ask({ port, headers: { host: 'h' } });
    await waitFor(() => one.copies.length === 200, { what: 'every copy' });
    await waitFor(() => counted(proxy, 'answered', 'two') === counted(proxy, 'sent', 'two'), { what: 'the rest' });
    expect(new Set(one.copies.map(({ headers }) => headers.host))).toEqual(new Set(['h']));
    expect(two.copies.length).toBeGreaterThan(30);
    expect(two.copies.length).toBeLessThan(90);
  });

  it('that is chosen by a header must exist, and nothing else may be chosen', async () => {
    await using app = await echoUpstream('app');
    await using copy = await mirrorServer();
    await using proxy = await proxyWith(app, { copy: copy.port }, [{ clusterHeader: 'X-Mirror' }]);
    const port = proxy.portOf('in');
    for (const to of ['copy', 'nobody']) expect((await ask({ port, headers: { 'x-mirror': to } })).status).toBe(200);
    expect((await ask({ port })).status).toBe(200);
    await until(proxy, 'answered');
    expect(proxy.stats.valueOf('weft.mirror_cluster_not_found')).toBe(2);
  });

  it('is traced only where that is asked for', async () => {
    await using app = await echoUpstream('app');
    await using copy = await mirrorServer();
    await using proxy = await proxyWith(app, { copy: copy.port }, [{ cluster: 'copy', traceSampled: false }]);
    const id = '0af7651916cd43dd8448eb211c80319c';
    const headers = {
      traceparent: `00-${id}-b7ad6b7169203331-01`,
      b3: `${id}-b7ad6b7169203331-1`,
      'x-b3-sampled': '1',
    };
    const answer = await ask({ port: proxy.portOf('in'), headers });
    expect((JSON.parse(answer.body) as { headers: unknown }).headers).toMatchObject(headers);
    await until(proxy, 'answered');
    expect(copy.copies[0]?.headers).toMatchObject({
      traceparent: `00-${id}-b7ad6b7169203331-00`,
      b3: `${id}-b7ad6b7169203331-0`,
      'x-b3-sampled': '0',
    });
  });
});

describe('the caller does not notice a mirror', () => {
  it('that is down', async () => {
    await using app = await echoUpstream('app');
    await using proxy = await proxyWith(app, { copy: 1 });
    for (let i = 0; i < 5; i += 1)
      expect(await ask({ port: proxy.portOf('in'), method: 'POST', body: 'b' })).toMatchObject({ status: 200 });
    await until(proxy, 'failed', 5);
    expect(proxy.records.every(({ flags, attempts }) => flags === 0 && attempts === 1)).toBe(true);
  });

  it('that never answers; it is given up after the time of the route', async () => {
    await using app = await echoUpstream('app');
    await using hangs = await tcpUpstream((socket) => void socket.resume());
    await using proxy = await proxyWith(app, { copy: hangs.port }, undefined, { timeout: { nanos: 300_000_000 } });
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask({ port: proxy.portOf('in') })));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    await until(proxy, 'timed_out', 10);
    await waitFor(() => proxy.path.armedTimers() < 30, { what: 'no timers of copies' });
  });

  it('that never reads: a body too large for it is dropped there, and arrives where it belongs', async () => {
    await using app = await httpUpstream((request, response) => {
      let bytes = 0;
      request.on('data', (chunk: Buffer) => (bytes += chunk.length));
      request.on('end', () => response.end(String(bytes)));
    });
    await using deaf = await tcpUpstream((socket) => void socket.pause());
    await using proxy = await proxyWith(app, { copy: deaf.port });
    const size = 24 * 1024 * 1024;
    const chunk = 'x'.repeat(256 * 1024);
    const answer = await ask({
      port: proxy.portOf('in'),
      method: 'POST',
      body: Array.from({ length: size / chunk.length }, () => chunk),
    });
    expect(answer).toMatchObject({ status: 200, body: String(size) });
    await until(proxy, 'dropped_body');
  });

  it('of a body that it takes: large ones are copied whole', async () => {
    await using app = await echoUpstream('app');
    await using copy = await mirrorServer();
    await using proxy = await proxyWith(app, { copy: copy.port });
    const body = 'y'.repeat(700_000);
    const answer = await ask({ port: proxy.portOf('in'), method: 'POST', body });
    expect((JSON.parse(answer.body) as { body: string }).body.length).toBe(body.length);
    await until(proxy, 'answered');
    expect(copy.copies[0]?.body).toBe(body);
  });

  it('and a request that ends in the middle is no copy', async () => {
    await using app = await httpUpstream((request) => void request.on('error', () => undefined).resume());
    await using copy = await mirrorServer();
    await using proxy = await proxyWith(app, { copy: copy.port });
    const socket = connect(proxy.portOf('in'), '127.0.0.1');
    socket.write('POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\nhalf');
    await waitFor(() => copy.accepted() === 1, { what: 'the copy begins' });
    socket.destroy();
    await until(proxy, 'cancelled');
    expect(copy.copies).toHaveLength(0);
  });
});

it('hosts are marked before the port, addresses are not', () => {
  expect(['a', 'a.b:80', '10.0.0.1:80', '[::1]:80', ''].map(shadowOf)).toEqual([
    'a-shadow',
    'a.b-shadow:80',
    '10.0.0.1:80',
    '[::1]:80',
    '',
  ]);
});

it('a policy without a cluster is refused', async () => {
  await using app = await echoUpstream('app');
  await using proxy = await proxyWith(app, {}, []);
  const refused = proxy.path.update(
    resourceSet({
      listeners: [listener('in', [httpChain(routes(toCluster('app', { requestMirrorPolicies: [{}] })))])],
    }),
  );
  expect(refused[0]?.reason).toContain('request_mirror_policies[0]');
});
