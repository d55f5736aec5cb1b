// Listeners and filter chains that configuration takes away, and proxies that are told to let their clients go.
import { afterEach, describe, expect, it } from 'vitest';
import { type Logger, silentLogger } from '@weft/kit';
import { waitFor } from '@weft/testkit';
import { exchange, startProxy, type TestProxy } from '../test-support/harness.ts';
import { RawClients } from '../test-support/raw-client.ts';
import { httpChain, listener, resourceSet, routes, staticCluster, toCluster } from '../test-support/resources.ts';
import { httpUpstream, type TestServer } from '../test-support/upstream.ts';

const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
const clients = new RawClients();
afterEach(() => clients.close());

function client(port: number) {
  const { socket, got, gone } = clients.connect(port);
  return {
    ask: (path = '/') => socket.write(GET.replace(' / ', ` ${path} `)),
    got,
    ended: gone,
    async answered(times = 1) {
      await waitFor(() => got().split('HTTP/1.1 ').length > times);
    },
  };
}

/** `/never` gets no answer. */
const application = (): Promise<TestServer> =>
  httpUpstream((request, response) => void (request.url !== '/never' && response.end('x')));

const one = (name: string, upstream: TestServer, hcm = {}, chain = {}) =>
  resourceSet({
    listeners: [listener(name, [httpChain(routes(toCluster('a')), hcm, chain)])],
    clusters: [staticCluster('a', [upstream.port])],
  });

const cutOf = (proxy: TestProxy): number => proxy.stats.valueOf('listener_manager.drain_cut_connections');

describe('a listener that is taken away', () => {
  it('takes nothing new, answers what comes over kept connections, and says close', async () => {
    await using upstream = await application();
    await using proxy = await startProxy(one('in', upstream));
    const port = proxy.portOf('in');
    const kept = client(port);
    kept.ask();
    await kept.answered();
    proxy.path.update(resourceSet({ clusters: [staticCluster('a', [upstream.port])] }));
    expect(proxy.path.listeners()).toMatchObject([{ name: 'in', state: 'draining' }]);
    expect(await exchange(port, GET)).toBe('');
    kept.ask();
    await waitFor(() => kept.ended());
    expect(kept.got()).toMatch(/^HTTP\/1.1 200 (?:(?!connection: close)[^])*HTTP\/1.1 200 [^]*connection: close/);
    expect(cutOf(proxy)).toBe(0);
  });

  it('cuts what is left at the deadline, and tells how much', async () => {
    const lines: object[] = [];
    const logger: Logger = { ...silentLogger, warn: (fields) => void lines.push(fields) };
    await using upstream = await application();
    await using proxy = await startProxy(one('in', upstream), { drainMs: 300, logger });
    const [idle, busy] = [client(proxy.portOf('in')), client(proxy.portOf('in'))];
    idle.ask();
    busy.ask('/never');
    await idle.answered();
    proxy.path.update(resourceSet({}));
    await waitFor(() => idle.ended() && busy.ended());
    // Who waits for an answer hears that there will be none; it is not known to be unanswered elsewhere.
    expect(busy.got()).toMatch(/^HTTP\/1.1 503 [^]*x-weft-reason: drain-deadline/);
    expect([cutOf(proxy), proxy.path.activeConnections(), proxy.path.listeners()]).toEqual([1, 0, []]);
    expect(lines).toContainEqual(expect.objectContaining({ listener: 'in', connections: 1, requests: 1 }));
  });
});

describe('a filter chain that changes', () => {
  it('drains alone: its listener goes on with the new one, and its connections end at the deadline', async () => {
    await using upstream = await application();
    await using proxy = await startProxy(one('in', upstream, {}, { name: 'first' }), { drainMs: 300 });
    const port = proxy.portOf('in');
    const busy = client(port);
    busy.ask('/never');
    await waitFor(() => proxy.path.activeConnections() === 1);
    proxy.path.update(one('in', upstream, {}, { name: 'second' }));
    const next = client(port);
    next.ask();
    await next.answered();
    await waitFor(() => busy.ended());
    expect(busy.got()).toMatch(/^HTTP\/1.1 503 [^]*drain-deadline/);
    expect([cutOf(proxy), next.ended(), proxy.path.listeners()[0]?.state]).toEqual([1, false, 'active']);
  });
});

describe('listeners that are told to drain', () => {
  it('at once: nothing new, and the proxy goes on', async () => {
    await using upstream = await application();
    await using proxy = await startProxy(one('in', upstream));
    const kept = client(proxy.portOf('in'));
    kept.ask();
    await kept.answered();
    proxy.path.drainListeners({ inboundOnly: false, graceful: false, stops: true, ms: 0 });
    expect(proxy.path.listeners()).toMatchObject([{ state: 'draining' }]);
    kept.ask();
    await waitFor(() => kept.ended());
    expect(kept.got()).toMatch(/connection: close/);
  });

  it('gracefully: new clients are served and told to go, until the time is over', async () => {
    await using upstream = await application();
    await using proxy = await startProxy(one('in', upstream));
    const port = proxy.portOf('in');
    proxy.path.drainListeners({ inboundOnly: false, graceful: true, stops: true, ms: 500 });
    expect(await exchange(port, GET)).toMatch(/^HTTP\/1.1 200 [^]*connection: close/);
    await waitFor(() => proxy.path.listeners()[0]?.state === 'draining');
    expect(await exchange(port, GET)).toBe('');
  });

  it('never, when clients are only to be told to go', async () => {
    await using upstream = await application();
    await using proxy = await startProxy(one('in', upstream));
    proxy.path.drainListeners({ inboundOnly: false, graceful: true, stops: false, ms: 0 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await exchange(proxy.portOf('in'), GET)).toMatch(/^HTTP\/1.1 200 [^]*connection: close/);
    expect(proxy.path.listeners()).toMatchObject([{ state: 'active' }]);
  });

  it('only inbound ones, when so told', async () => {
    await using upstream = await application();
    await using proxy = await startProxy(one('out', upstream));
    proxy.path.drainListeners({ inboundOnly: true, graceful: false, stops: true, ms: 0 });
    expect(await exchange(proxy.portOf('out'), GET, '\r\n\r\nx')).toMatch(/^HTTP\/1.1 200 (?![^]*connection: close)/);
  });
});

describe('a proxy that is to follow another', () => {
  it('listens only when it is told to', async () => {
    await using upstream = await application();
    await using proxy = await startProxy(resourceSet({}), { held: true });
    proxy.path.update(one('in', upstream));
    expect([proxy.path.sockets(), proxy.path.listeners()[0]?.state]).toEqual([[], 'warming']);
    proxy.path.serve();
    await waitFor(() => proxy.path.listeners()[0]?.state === 'active');
    expect(await exchange(proxy.portOf('in'), GET, '\r\n\r\nx')).toMatch(/^HTTP\/1.1 200 /);
    expect(proxy.path.sockets()).toEqual([{ address: '127.0.0.1', port: 0, fd: expect.any(Number) as number }]);
  });
});
