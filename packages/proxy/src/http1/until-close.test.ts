// Answers and tunnels without a length: their end must be told from a connection that broke.
import { connect, type Socket } from 'node:net';
import { waitFor } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { ask, startProxy } from '../test-support/harness.ts';
import {
  httpChain,
  listener,
  resourceSet,
  routes,
  staticCluster,
  tcpChain,
  toCluster,
} from '../test-support/resources.ts';
import { tcpUpstream } from '../test-support/upstream.ts';

const HEAD = 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n';
const TIMES = 20;

describe('an answer that ends with its connection', () => {
  it('is whole when its host ended it, and cut when the connection was reset', async () => {
    await using upstream = await tcpUpstream((socket) => {
      socket.once('data', (data) => {
        socket.write(`${HEAD}all there is`);
        // In one turn: the reset comes together with the bytes.
        if (String(data).startsWith('GET /reset')) socket.resetAndDestroy();
        else socket.end();
      });
    });
    await using proxy = await startProxy(
      resourceSet({
        listeners: [listener('in', [httpChain(routes(toCluster('app')))])],
        clusters: [staticCluster('app', [upstream.port])],
      }),
    );
    const port = proxy.portOf('in');
    for (let i = 0; i < TIMES; i += 1) {
      expect(await ask({ port, path: '/ended' })).toMatchObject({ status: 200, body: 'all there is' });
      await expect(ask({ port, path: '/reset' }).then(({ status, headers }) => {
        // The reset came before its bytes were read.
        if (headers['x-weft-reason'] === 'upstream-reset') throw new Error('refused');
        return status;
      })).rejects.toThrow();
    } // prettier-ignore
    const reasons = new Set(proxy.records.map(({ path, reason }) => `${path} ${reason}`));
    expect([...reasons]).toEqual(expect.arrayContaining(['/ended ', '/reset upstream-response-cut']));
    expect([...reasons].filter((one) => one.startsWith('/reset'))).not.toContain('/reset ');
  });
});

describe('a TCP connection that is reset together with its last bytes', () => {
  it.each([
    ['client', 'downstream-closed'],
    ['host', 'upstream-reset'],
  ])('by the %s, is over, though the other side would go on', async (side, reason) => {
    await using upstream = await tcpUpstream((socket) => {
      socket.once('data', () => {
        if (side === 'client') return;
        socket.write('bye');
        socket.resetAndDestroy();
      });
    });
    await using proxy = await startProxy(
      resourceSet({
        listeners: [listener('in', [tcpChain('app')])],
        clusters: [staticCluster('app', [upstream.port])],
      }),
    );
    const sockets: Socket[] = [];
    for (let i = 0; i < TIMES; i += 1) {
      const socket = connect({ host: '127.0.0.1', port: proxy.portOf('in'), allowHalfOpen: true });
      sockets.push(socket);
      socket.on('error', () => {});
      socket.resume();
      await new Promise<void>((resolve) => socket.once('connect', resolve));
      // Its host is there by now.
      if (side === 'client') await waitFor(() => upstream.accepted() === i + 1, { everyMs: 2 });
      socket.write('hello');
      if (side === 'client') socket.resetAndDestroy();
    }
    await waitFor(() => proxy.path.activeConnections() === 0 && proxy.records.length === TIMES, { what: 'all to be over' });
    expect(new Set(proxy.records.map((record) => record.reason))).toEqual(new Set([reason]));
    for (const socket of sockets) socket.destroy();
  }); // prettier-ignore
});
