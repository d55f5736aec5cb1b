import { Agent } from 'node:http';
import { describe, expect, it } from 'vitest';
import { ask, exchange, startProxy } from './test-support/harness.ts';
import { httpChain, listener, resourceSet, routes, staticCluster, toCluster } from './test-support/resources.ts';
import { echoUpstream, httpUpstream } from './test-support/upstream.ts';

describe('plain proxying', () => {
  it('passes a request on and its answer back', async () => {
    await using upstream = await echoUpstream('a');
    await using proxy = await startProxy(
      resourceSet({
        listeners: [listener('in', [httpChain(routes(toCluster('a')))])],
        clusters: [staticCluster('a', [upstream.port])],
      }),
    );
    const answer = await ask({ port: proxy.portOf('in'), path: '/x?y=1', headers: { 'X-Custom': 'Kept' } });
    expect(answer.status).toBe(200);
    const seen = JSON.parse(answer.body) as { url: string; headers: Record<string, string> };
    expect(seen.url).toBe('/x?y=1');
    expect(seen.headers['x-custom']).toBe('Kept');
    expect(seen.headers['x-request-id']).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    expect(seen.headers['x-forwarded-proto']).toBe('http');
    expect(answer.headers['x-envoy-upstream-service-time']).toMatch(/^\d+$/);
    expect(answer.headers['server']).toBe('weft');
    expect(proxy.records).toHaveLength(1);
    expect(proxy.records[0]).toMatchObject({
      code: 200,
      method: 'GET',
      path: '/x?y=1',
      cluster: 'a',
      details: 'via_upstream',
      attempts: 1,
    });
  });

  it('keeps connections to both sides open and uses them again', async () => {
    await using upstream = await echoUpstream('a');
    await using proxy = await startProxy(
      resourceSet({
        listeners: [listener('in', [httpChain(routes(toCluster('a')))])],
        clusters: [staticCluster('a', [upstream.port])],
      }),
    );
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; i < 5; i += 1) expect((await ask({ port: proxy.portOf('in'), agent })).status).toBe(200);
    agent.destroy();
    expect(upstream.accepted()).toBe(1);
  });

  it('passes bodies with a length, in chunks, and large ones', async () => {
    await using upstream = await echoUpstream('a');
    await using proxy = await startProxy(
      resourceSet({
        listeners: [listener('in', [httpChain(routes(toCluster('a')))])],
        clusters: [staticCluster('a', [upstream.port])],
      }),
    );
    const port = proxy.portOf('in');
    const withLength = await ask({ port, method: 'POST', body: 'hello', headers: { 'content-length': '5' } });
    expect(JSON.parse(withLength.body)).toMatchObject({ body: 'hello', headers: { 'content-length': '5' } });
    const chunked = await ask({
      port,
      method: 'POST',
      body: ['one', 'two'],
      headers: { 'transfer-encoding': 'chunked' },
    });
    expect(JSON.parse(chunked.body)).toMatchObject({ body: 'onetwo' });
    const large = 'x'.repeat(3_000_000);
    const big = await ask({ port, method: 'POST', body: large, headers: { 'content-length': String(large.length) } });
    expect((JSON.parse(big.body) as { body: string }).body).toHaveLength(large.length);
  });

  it('answers pipelined requests in order', async () => {
    await using upstream = await httpUpstream((request, response) => {
      const delay = request.url === '/slow' ? 50 : 0;
      setTimeout(() => response.end(request.url), delay);
    });
    await using proxy = await startProxy(
      resourceSet({
        listeners: [listener('in', [httpChain(routes(toCluster('a')))])],
        clusters: [staticCluster('a', [upstream.port])],
      }),
    );
    const head = (path: string, last = false): string =>
      `GET ${path} HTTP/1.1\r\nHost: h\r\n${last ? 'Connection: close\r\n' : ''}\r\n`;
    const got = await exchange(proxy.portOf('in'), head('/slow') + head('/b') + head('/c', true));
    expect([...got.matchAll(/(?<=\r\n)\/[a-z]+/g)].map(([path]) => path)).toEqual(['/slow', '/b', '/c']);
    expect(got.match(/HTTP\/1.1 200/g)).toHaveLength(3);
  });

  it('says 404 with its reason where no route matches', async () => {
    await using proxy = await startProxy(resourceSet({ listeners: [listener('in', [httpChain({ name: 'none' })])] }));
    const answer = await ask({ port: proxy.portOf('in') });
    expect(answer.status).toBe(404);
    expect(answer.headers['x-weft-reason']).toBe('no-route');
  });

  it('says 503 with its reason where the upstream refuses the connection', async () => {
    await using proxy = await startProxy(
      resourceSet({
        listeners: [listener('in', [httpChain(routes(toCluster('a')))])],
        clusters: [staticCluster('a', [1])],
      }),
    );
    const answer = await ask({ port: proxy.portOf('in') });
    expect(answer.status).toBe(503);
    expect(answer.headers['x-weft-reason']).toBe('upstream-connect-failure');
  });
});
