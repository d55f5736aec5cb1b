import { describe, expect, it } from 'vitest';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { RetryPolicySchema } from '@weft/contracts/lean/envoy/config/route/v3/route_components';
import { RBAC_Action } from '@weft/contracts/lean/envoy/config/rbac/v3/rbac';
import { HTTPFaultSchema } from '@weft/contracts/lean/envoy/extensions/filters/http/fault/v3/fault';
import { RBACSchema } from '@weft/contracts/lean/envoy/extensions/filters/http/rbac/v3/rbac';
import { waitFor } from '@weft/testkit';
import { ask, exchange, startProxy, type TestProxy } from './test-support/harness.ts';
import {
  httpChain,
  listener,
  namedRoutes,
  pack,
  resourceSet,
  routes,
  staticCluster,
  tcpChain,
  toCluster,
} from './test-support/resources.ts';
import { echoUpstream, httpUpstream, tcpUpstream, type TestServer } from './test-support/upstream.ts';

const inOne = (
  entries: Parameters<typeof routes>,
  clusters: ReturnType<typeof staticCluster>[],
  hcm: Parameters<typeof httpChain>[1] = {},
): Promise<TestProxy> =>
  startProxy(resourceSet({ listeners: [listener('in', [httpChain(routes(...entries), hcm)])], clusters }));

const retry = (init: Exclude<MessageInitShape<typeof RetryPolicySchema>, { $typeName: string }>) => ({
  retryPolicy: init,
});

/** Fails the first `failures` requests in a given way. */
async function flaky(failures: number, status = 503): Promise<TestServer & { readonly seen: () => number }> {
  let seen = 0;
  const server = await httpUpstream((request, response) => {
    seen += 1;
    request.resume();
    if (seen > failures) response.end('fine');
    else if (status > 0) response.writeHead(status).end('no');
    else request.socket.destroy();
  });
  return Object.assign(server, { seen: () => seen });
}

describe('retries', () => {
  it('tries again where the status is one of those named', async () => {
    await using upstream = await flaky(2);
    await using proxy = await inOne(
      [toCluster('a', retry({ retryOn: 'retriable-status-codes', retriableStatusCodes: [503], numRetries: 2 }))],
      [staticCluster('a', [upstream.port])],
    );
    const answer = await ask({ port: proxy.portOf('in') });
    expect(answer).toMatchObject({ status: 200, body: 'fine' });
    expect(proxy.records[0]).toMatchObject({ attempts: 3 });
  });

  it('gives up after the last one, with the answer as it is and flag URX', async () => {
    await using upstream = await flaky(9);
    await using proxy = await inOne(
      [toCluster('a', retry({ retryOn: '5xx', numRetries: 1 }))],
      [staticCluster('a', [upstream.port])],
    );
    const answer = await ask({ port: proxy.portOf('in') });
    expect(answer).toMatchObject({ status: 503, body: 'no' });
    expect(answer.headers['x-weft-reason']).toBeUndefined();
    expect(upstream.seen()).toBe(2);
  });

  it("leaves the application's own 503 alone without a policy", async () => {
    await using upstream = await flaky(9);
    await using proxy = await inOne([toCluster('a')], [staticCluster('a', [upstream.port])]);
    expect(await ask({ port: proxy.portOf('in') })).toMatchObject({ status: 503, body: 'no' });
    expect(upstream.seen()).toBe(1);
  });

  it('sends a kept body again', async () => {
    await using upstream = await flaky(1);
    await using proxy = await inOne(
      [toCluster('a', retry({ retryOn: '5xx', numRetries: 1 }))],
      [staticCluster('a', [upstream.port])],
    );
    expect((await ask({ port: proxy.portOf('in'), method: 'POST', body: ['x', 'y'] })).status).toBe(200);
  });

  it('by default runs only safe methods again after a reset', async () => {
    for (const [method, tries, status] of [
      ['GET', 3, 200],
      ['POST', 1, 503],
    ] as const) {
      await using upstream = await flaky(2, 0);
      await using proxy = await inOne(
        [toCluster('a', retry({ retryOn: 'connect-failure,weft-safe-reset', numRetries: 2 }))],
        [staticCluster('a', [upstream.port])],
      );
      const answer = await ask({
        port: proxy.portOf('in'),
        method,
        headers: method === 'POST' ? { 'content-length': '0' } : {},
      });
      expect(answer.status).toBe(status);
      expect(upstream.seen()).toBe(tries);
    }
  });

  it('goes to another host after a refused connection, whatever the method', async () => {
    await using upstream = await echoUpstream('good');
    const policy = retry({
      retryOn: 'connect-failure',
      numRetries: 3,
      retryHostPredicate: [{ name: 'envoy.retry_host_predicates.previous_hosts' }],
      hostSelectionRetryMaxAttempts: 5n,
    });
    await using proxy = await inOne([toCluster('a', policy)], [staticCluster('a', [1, upstream.port])]);
    for (let i = 0; i < 10; i += 1) {
      expect(
        (await ask({ port: proxy.portOf('in'), method: 'POST', body: 'b', headers: { 'content-length': '1' } })).status,
      ).toBe(200);
    }
    expect(proxy.records.some(({ attempts }) => attempts > 1)).toBe(true);
  });

  it('uses a fresh connection when an idle one was closed under it', async () => {
    let connections = 0;
    await using upstream = await tcpUpstream((socket) => {
      connections += 1;
      let requests = 0;
      socket.on('data', () => {
        requests += 1;
        // The second request on the first connection meets a closed door.
        if (connections === 1 && requests === 2) socket.destroy();
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      });
    });
    await using proxy = await inOne([toCluster('a')], [staticCluster('a', [upstream.port])]);
    expect((await ask({ port: proxy.portOf('in') })).status).toBe(200);
    expect((await ask({ port: proxy.portOf('in') })).status).toBe(200);
    expect(connections).toBe(2);
  });
});

describe('timeouts', () => {
  it('answers 504 when the route takes too long', async () => {
    await using upstream = await httpUpstream(() => undefined);
    await using proxy = await inOne(
      [toCluster('a', { timeout: { nanos: 80_000_000 } })],
      [staticCluster('a', [upstream.port])],
    );
    const answer = await ask({ port: proxy.portOf('in') });
    expect(answer).toMatchObject({ status: 504 });
    expect(answer.headers['x-weft-reason']).toBe('route-timeout');
    expect(proxy.records[0]?.details).toBe('response_timeout');
  });

  it('tries again after a try took too long', async () => {
    let seen = 0;
    await using upstream = await httpUpstream((_, response) => {
      seen += 1;
      if (seen > 1) response.end('late but well');
    });
    await using proxy = await inOne(
      [toCluster('a', retry({ retryOn: '5xx', numRetries: 1, perTryTimeout: { nanos: 60_000_000 } }))],
      [staticCluster('a', [upstream.port])],
    );
    expect(await ask({ port: proxy.portOf('in') })).toMatchObject({ status: 200, body: 'late but well' });
  });

  it('ends a stream on which nothing moves', async () => {
    await using upstream = await httpUpstream(() => undefined);
    await using proxy = await inOne([toCluster('a')], [staticCluster('a', [upstream.port])], {
      streamIdleTimeout: { nanos: 60_000_000 },
    });
    const answer = await ask({ port: proxy.portOf('in') });
    expect(answer.status).toBe(408);
    expect(answer.headers['x-weft-reason']).toBe('stream-idle-timeout');
  });

  it('answers 408 to a head that does not come to its end', async () => {
    await using proxy = await inOne([], [], { requestHeadersTimeout: { nanos: 60_000_000 } });
    const got = await exchange(proxy.portOf('in'), 'GET / HTTP/1.1\r\nHost:');
    expect(got).toMatch(/^HTTP\/1.1 408 [^]*x-weft-reason: request-headers-timeout\r\n[^]*connection: close/);
  });
});

describe('faults', () => {
  const faultFilter = {
    name: 'envoy.filters.http.fault',
    configType: { case: 'typedConfig' as const, value: pack(HTTPFaultSchema, {}) },
  };
  const withFault = (init: MessageInitShape<typeof HTTPFaultSchema>) => ({
    typedPerFilterConfig: { 'envoy.filters.http.fault': pack(HTTPFaultSchema, init) },
  });

  it('aborts all requests with the configured status', async () => {
    await using proxy = await inOne(
      [
        toCluster(
          'a',
          {},
          withFault({ abort: { errorType: { case: 'httpStatus', value: 555 }, percentage: { numerator: 100 } } }),
        ),
      ],
      [staticCluster('a', [1])],
      { httpFilters: [faultFilter] },
    );
    const answer = await ask({ port: proxy.portOf('in') });
    expect(answer).toMatchObject({ status: 555, body: 'fault filter abort' });
    expect(proxy.records[0]).toMatchObject({ reason: 'fault-abort', details: 'fault_filter_abort' });
  });

  it('delays, then goes on', async () => {
    await using upstream = await echoUpstream('a');
    await using proxy = await inOne(
      [
        toCluster(
          'a',
          {},
          withFault({
            delay: {
              faultDelaySecifier: { case: 'fixedDelay', value: { nanos: 100_000_000 } },
              percentage: { numerator: 100 },
            },
          }),
        ),
      ],
      [staticCluster('a', [upstream.port])],
      { httpFilters: [faultFilter] },
    );
    const answer = await ask({ port: proxy.portOf('in'), method: 'POST', body: ['some', 'thing'] });
    expect(JSON.parse(answer.body)).toMatchObject({ body: 'something' });
    expect(proxy.records[0]?.durationMs).toBeGreaterThanOrEqual(95);
  });

  it('aborts about the share that it is told to', async () => {
    await using upstream = await echoUpstream('a');
    await using proxy = await inOne(
      [
        toCluster(
          'a',
          {},
          withFault({ abort: { errorType: { case: 'httpStatus', value: 500 }, percentage: { numerator: 25 } } }),
        ),
      ],
      [staticCluster('a', [upstream.port])],
      { httpFilters: [faultFilter] },
    );
    for (let i = 0; i < 400; i += 1) await ask({ port: proxy.portOf('in') });
    const aborted = proxy.records.filter(({ code }) => code === 500).length;
    // 400 draws at 25 %: mean 100, five standard deviations are 43.
    expect(aborted).toBeGreaterThan(57);
    expect(aborted).toBeLessThan(143);
  });
});

describe('routing', () => {
  it('splits by weight', async () => {
    await using one = await echoUpstream('one');
    await using two = await echoUpstream('two');
    const weighted = toCluster('-', {
      clusterSpecifier: {
        case: 'weightedClusters',
        value: {
          clusters: [
            { name: 'one', weight: 80 },
            { name: 'two', weight: 20 },
          ],
        },
      },
    });
    await using proxy = await inOne([weighted], [staticCluster('one', [one.port]), staticCluster('two', [two.port])]);
    for (let i = 0; i < 300; i += 1) await ask({ port: proxy.portOf('in') });
    const toTwo = proxy.records.filter(({ cluster }) => cluster === 'two').length;
    // 300 draws at 20 %: mean 60, five standard deviations are 35.
    expect(toTwo).toBeGreaterThan(25);
    expect(toTwo).toBeLessThan(95);
  });

  it('edits headers of requests and answers, rewrites path and host', async () => {
    await using upstream = await echoUpstream('a');
    const edits = {
      requestHeadersToAdd: [{ header: { key: 'X-Added', value: 'yes %PROTOCOL%' }, appendAction: 2 }],
      requestHeadersToRemove: ['x-secret'],
      responseHeadersToAdd: [{ header: { key: 'x-from', value: 'proxy' }, appendAction: 0 }],
      responseHeadersToRemove: ['content-type'],
    };
    await using proxy = await inOne(
      [
        toCluster(
          'a',
          { prefixRewrite: '/new/', hostRewriteSpecifier: { case: 'hostRewriteLiteral', value: 'inside' } },
          { ...edits, match: { pathSpecifier: { case: 'prefix', value: '/old/' } } },
        ),
      ],
      [staticCluster('a', [upstream.port])],
    );
    const answer = await ask({ port: proxy.portOf('in'), path: '/old/x?q=1', headers: { 'x-secret': '1' } });
    expect(JSON.parse(answer.body)).toMatchObject({
      url: '/new/x?q=1',
      headers: { host: 'inside', 'x-added': 'yes HTTP/1.1', 'x-envoy-original-path': '/old/x?q=1' },
    });
    expect(answer.body).not.toContain('x-secret');
    expect(answer.headers['x-from']).toBe('proxy');
    expect(answer.headers['content-type']).toBeUndefined();
  });

  it('redirects and answers itself', async () => {
    await using proxy = await inOne(
      [
        {
          match: { pathSpecifier: { case: 'path', value: '/go' } },
          action: {
            case: 'redirect',
            value: { hostRedirect: 'elsewhere', pathRewriteSpecifier: { case: 'pathRedirect', value: '/there' } },
          },
        },
        {
          match: { pathSpecifier: { case: 'prefix', value: '/' } },
          action: {
            case: 'directResponse',
            value: { status: 418, body: { specifier: { case: 'inlineString', value: 'tea' } } },
          },
        },
      ],
      [],
    );
    const moved = await ask({ port: proxy.portOf('in'), path: '/go', headers: { host: 'h' } });
    expect(moved).toMatchObject({ status: 301, headers: { location: 'http://elsewhere/there' } });
    expect(await ask({ port: proxy.portOf('in') })).toMatchObject({ status: 418, body: 'tea' });
  });

  it('refuses by policy before anything reaches the upstream', async () => {
    await using upstream = await echoUpstream('a');
    const rbac = pack(RBACSchema, {
      rules: {
        action: RBAC_Action.DENY,
        policies: {
          'no-admin': {
            permissions: [
              {
                rule: {
                  case: 'urlPath',
                  value: { rule: { case: 'path', value: { matchPattern: { case: 'prefix', value: '/admin' } } } },
                },
              },
            ],
            principals: [{ identifier: { case: 'any', value: true } }],
          },
        },
      },
    });
    await using proxy = await inOne([toCluster('a')], [staticCluster('a', [upstream.port])], {
      normalizePath: true,
      httpFilters: [{ name: 'envoy.filters.http.rbac', configType: { case: 'typedConfig', value: rbac } }],
    });
    expect((await ask({ port: proxy.portOf('in'), path: '/ok' })).status).toBe(200);
    for (const path of ['/admin/x', '/ok/../admin/x', '/%61dmin/x']) {
      const answer = await ask({ port: proxy.portOf('in'), path });
      expect(answer).toMatchObject({ status: 403, body: 'RBAC: access denied' });
    }
    expect(proxy.records.at(-1)?.details).toBe('rbac_access_denied_matched_policy[no-admin]');
  });

  it('has a reason for a route to a cluster that is not there', async () => {
    await using proxy = await inOne([toCluster('gone')], []);
    const answer = await ask({ port: proxy.portOf('in') });
    expect(answer).toMatchObject({ status: 503, headers: { 'x-weft-reason': 'cluster-not-found' } });
  });

  it('refuses more than the circuit allows', async () => {
    await using upstream = await httpUpstream((_, response) => void setTimeout(() => response.end('x'), 100));
    await using proxy = await inOne(
      [toCluster('a')],
      [staticCluster('a', [upstream.port], { circuitBreakers: { thresholds: [{ maxRequests: 1 }] } })],
    );
    const answers = await Promise.all([
      ask({ port: proxy.portOf('in') }),
      ask({ port: proxy.portOf('in') }),
      ask({ port: proxy.portOf('in') }),
    ]);
    expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 503, 503]);
    expect(answers.find(({ status }) => status === 503)?.headers).toMatchObject({
      'x-weft-reason': 'upstream-overflow',
      'x-envoy-overloaded': 'true',
    });
    expect((await ask({ port: proxy.portOf('in') })).status).toBe(200);
  });
});

describe('updates', () => {
  it('changes routes under an open connection, and refuses a bad one with the reason', async () => {
    await using one = await echoUpstream('one');
    await using two = await echoUpstream('two');
    const listeners = [listener('in', [httpChain('r')])];
    const clusters = [staticCluster('one', [one.port]), staticCluster('two', [two.port])];
    await using proxy = await startProxy(
      resourceSet({ listeners, clusters, routes: [namedRoutes('r', toCluster('one'))] }),
    );
    const name = async (): Promise<string> =>
      (JSON.parse((await ask({ port: proxy.portOf('in') })).body) as { name: string }).name;
    expect(await name()).toBe('one');
    expect(
      proxy.path.update(resourceSet({ listeners, clusters, routes: [namedRoutes('r', toCluster('two'))] })),
    ).toEqual([]);
    expect(await name()).toBe('two');
    const bad = namedRoutes(
      'r',
      toCluster('one', {}, { match: { pathSpecifier: { case: 'safeRegex', value: { regex: '(' } } } }),
    );
    const rejected = proxy.path.update(resourceSet({ listeners, clusters, routes: [bad] }));
    expect(rejected).toMatchObject([{ type: 'route', name: 'r' }]);
    expect(rejected[0]?.reason).toContain('safe_regex');
    expect(await name()).toBe('two');
  });

  it('drains: answers what is in flight, then closes', async () => {
    await using upstream = await httpUpstream((_, response) => void setTimeout(() => response.end('x'), 150));
    await using proxy = await inOne([toCluster('a')], [staticCluster('a', [upstream.port])]);
    const port = proxy.portOf('in');
    const answer = ask({ port });
    await waitFor(() => proxy.path.activeConnections() > 0, { everyMs: 2 });
    const drained = proxy.path.drain(Date.now() + 5_000);
    expect(await answer).toMatchObject({ status: 200, headers: { connection: 'close' } });
    expect(await drained).toBe(0);
    await expect(ask({ port })).rejects.toThrow('ECONNREFUSED');
  });
});

describe('raw TCP', () => {
  it('joins client and host, and carries half-close', async () => {
    await using upstream = await tcpUpstream((socket) => {
      let got = '';
      socket.on('data', (chunk) => (got += String(chunk)));
      socket.on('end', () => socket.end(`heard ${got}`));
    });
    await using proxy = await startProxy(
      resourceSet({ listeners: [listener('in', [tcpChain('a')])], clusters: [staticCluster('a', [upstream.port])] }),
    );
    const { connect } = await import('node:net');
    const heard = await new Promise<string>((resolve, reject) => {
      let text = '';
      const socket = connect({ host: '127.0.0.1', port: proxy.portOf('in'), allowHalfOpen: true }, () =>
        socket.end('you'),
      );
      socket.on('data', (chunk) => (text += String(chunk)));
      socket.on('end', () => resolve(text));
      socket.on('error', reject);
    });
    expect(heard).toBe('heard you');
  });

  it('moves much, both ways', async () => {
    await using upstream = await tcpUpstream((socket) => socket.pipe(socket));
    await using proxy = await startProxy(
      resourceSet({ listeners: [listener('in', [tcpChain('a')])], clusters: [staticCluster('a', [upstream.port])] }),
    );
    const { connect } = await import('node:net');
    const size = 8_000_000;
    const got = await new Promise<number>((resolve, reject) => {
      let bytes = 0;
      const socket = connect({ host: '127.0.0.1', port: proxy.portOf('in') }, () =>
        socket.write(Buffer.alloc(size, 7)),
      );
      socket.on('data', (chunk) => {
        bytes += chunk.length;
        if (bytes === size) {
          socket.destroy();
          resolve(bytes);
        }
      });
      socket.on('error', reject);
    });
    expect(got).toBe(size);
  });

  it('closes when no host takes the connection', async () => {
    await using proxy = await startProxy(
      resourceSet({ listeners: [listener('in', [tcpChain('a')])], clusters: [staticCluster('a', [1])] }),
    );
    expect(await exchange(proxy.portOf('in'), 'hello')).toBe('');
    await waitFor(() => proxy.records.length === 1);
    expect(proxy.records[0]).toMatchObject({ reason: 'upstream-connect-failure', protocol: 'TCP' });
  });
});
