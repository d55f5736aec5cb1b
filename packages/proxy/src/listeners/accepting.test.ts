// Listeners that stop accepting when there is no room, and go on when there is.
import { closeSync, openSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WEFT_METADATA } from '@weft/contracts';
import { waitFor } from '@weft/testkit';
import { type OverloadState, NOT_OVERLOADED } from '../overload/overload.ts';
import { ask, startProxy, type TestProxy } from '../test-support/harness.ts';
import { httpChain, listener, resourceSet, routes, staticCluster, toCluster } from '../test-support/resources.ts';
import { httpUpstream } from '../test-support/upstream.ts';

const open: Socket[] = [];
afterEach(() => open.splice(0).forEach((socket) => socket.destroy()));

interface Client {
  readonly socket: Socket;
  connected(): boolean;
  gone(): boolean;
  error(): string;
}

function client(port: number): Client {
  const socket = connect({ host: '127.0.0.1', port });
  open.push(socket);
  let [connected, gone, error] = [false, false, ''];
  socket.on('connect', () => (connected = true));
  socket.on('error', (problem: NodeJS.ErrnoException) => (error = problem.code ?? ''));
  socket.on('close', () => (gone = true));
  return { socket, connected: () => connected, gone: () => gone, error: () => error };
}
const many = (count: number, port: number): Client[] => Array.from({ length: count }, () => client(port));
const served = async (port: number): Promise<boolean> =>
  (await ask({ port, headers: { connection: 'close' } }).catch(() => undefined))?.status === 200;

const limited = (max: unknown) => ({
  metadata: { filterMetadata: { [WEFT_METADATA]: { connections: { max } } } } as never,
});
const resources = (port: number, inLimits: ReturnType<typeof limited> | object = {}) =>
  resourceSet({
    listeners: [
      listener('in', [httpChain(routes(toCluster('a')))], inLimits),
      listener('other', [httpChain(routes(toCluster('a')))]),
    ],
    clusters: [staticCluster('a', [port])],
  });

async function refusedThenServed(proxy: TestProxy, name: string, makeRoom: () => void): Promise<void> {
  const port = proxy.portOf(name);
  const late = client(port);
  await waitFor(() => late.gone(), { what: 'the refusal' });
  expect(late.error()).toMatch(/ECONNREFUSED|ECONNRESET/);
  makeRoom();
  await waitFor(() => served(port), { what: 'room' });
}

describe('a listener', () => {
  it('stops accepting with the last place of the proxy, counts it, and goes on below', async () => {
    await using upstream = await httpUpstream((_, response) => response.end('x'));
    await using proxy = await startProxy(resources(upstream.port), { maxConnections: 4 });
    const { stats } = proxy;
    const held = many(4, proxy.portOf('in'));
    await waitFor(() => proxy.path.activeConnections() === 4);
    expect([
      stats.valueOf('listener_manager.accept_stopped.connections'),
      stats.valueOf('listener_manager.accept_stopped.active'),
    ]).toEqual([1, 1]);
    // Both: the limit is that of the whole proxy.
    const others = client(proxy.portOf('other'));
    await waitFor(() => others.gone());
    await refusedThenServed(proxy, 'in', () => held[0]?.socket.destroy());
    expect(held.slice(1).some(({ gone }) => gone())).toBe(false);
    await waitFor(() => stats.valueOf('listener_manager.accept_stopped.active') === 0);
    await waitFor(() => served(proxy.portOf('other')), { what: 'the other listener' });
  });

  it('has a limit of its own, which others do not feel, and which may change', async () => {
    await using upstream = await httpUpstream((_, response) => response.end('x'));
    await using proxy = await startProxy(resources(upstream.port, limited(2)));
    const held = many(2, proxy.portOf('in'));
    await waitFor(() => proxy.path.activeConnections() === 2);
    expect(await served(proxy.portOf('other'))).toBe(true);
    expect(proxy.stats.valueOf('listener.in.accept_stopped.connections')).toBe(1);
    await refusedThenServed(proxy, 'in', () => {
      expect(proxy.path.update(resources(upstream.port, limited(10)))).toEqual([]);
    });
    expect(held.some(({ gone }) => gone())).toBe(false);
  });

  it('refuses limits that are none, naming the field', async () => {
    await using proxy = await startProxy(resourceSet({}));
    for (const max of [0, -1, 1.5, 'many'])
      expect(proxy.path.update(resources(1, limited(max)))[0]?.reason).toMatch(
        /dev\.weft\.connections: max must be a whole number/,
      );
  });

  it('stops accepting while there is no memory', async () => {
    await using upstream = await httpUpstream((_, response) => response.end('x'));
    const overload: { -readonly [Key in keyof OverloadState]: boolean } = { ...NOT_OVERLOADED };
    await using proxy = await startProxy(resources(upstream.port), { overload });
    overload.refusing = true;
    const first = client(proxy.portOf('in'));
    await waitFor(() => first.gone());
    await waitFor(() => proxy.stats.valueOf('listener_manager.accept_stopped.memory') === 1);
    expect(proxy.stats.valueOf('listener.in.downstream_cx_overload_reject')).toBe(1);
    await refusedThenServed(proxy, 'in', () => (overload.refusing = false));
  });

  it('stops accepting when descriptors run out, serves on, and begins again with some to spare', async () => {
    await using upstream = await httpUpstream((_, response) => response.end('x'));
    const taken = [openSync('/dev/null', 'r')];
    const max = (taken[0] ?? 0) + 60;
    await using proxy = await startProxy(resources(upstream.port), {
      descriptors: { max, left: () => taken.length === 0 },
    });
    const kept = client(proxy.portOf('in'));
    let text = '';
    kept.socket.on('data', (data) => (text += data.toString('latin1')));
    await waitFor(() => proxy.path.activeConnections() === 1);
    while ((taken.at(-1) ?? 0) < max) taken.push(openSync('/dev/null', 'r'));
    const late = client(proxy.portOf('in'));
    await waitFor(() => late.gone());
    expect(proxy.stats.valueOf('listener_manager.accept_stopped.descriptors')).toBe(1);
    expect(proxy.stats.valueOf('listener.in.downstream_cx_no_descriptor')).toBe(1);
    kept.socket.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    await waitFor(() => text.includes('200 OK'), { what: 'an answer on the connection that was there' });
    await refusedThenServed(proxy, 'in', () => taken.splice(0).forEach((fd) => closeSync(fd)));
  });
});
