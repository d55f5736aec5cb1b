import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { waitFor } from '@weft/testkit';
import { serveEgress, type Destination, type EgressRelayOptions } from './egress-relay.ts';

const cleanups: (() => void)[] = [];
afterEach(() => cleanups.splice(0).forEach((cleanup) => cleanup()));

async function listening(onConnection?: (socket: Socket) => void): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: true }, onConnection);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => server.close());
  return { server, port: (server.address() as AddressInfo).port };
}

async function relayTo(
  destination: Destination | undefined,
  options: Partial<EgressRelayOptions> = {},
): Promise<number> {
  const { server, port } = await listening();
  const relay = serveEgress(server, { destinationOf: () => destination, ...options });
  cleanups.push(() => relay.close());
  return port;
}

/** Sends, ends its side, and says what came and how it ended. */
async function exchange(port: number, bytes: string): Promise<{ text: string; error?: string }> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  let text = '';
  let error: string | undefined;
  socket.on('error', (cause: NodeJS.ErrnoException) => (error = cause.code));
  socket.on('data', (data) => (text += data.toString()));
  socket.end(bytes);
  await once(socket, 'close').catch(() => {});
  return error === undefined ? { text } : { text, error };
}

describe('serveEgress', () => {
  it('carries bytes both ways, and each end of its own', async () => {
    // Answers only after the whole question: the end must have come through.
    const { port } = await listening((socket) => {
      let text = '';
      socket.on('data', (data) => (text += data.toString()));
      socket.on('end', () => socket.end(`got ${text}`));
    });
    const relay = await relayTo({ address: '127.0.0.1', port });
    const question = 'x'.repeat(300_000);
    expect(await exchange(relay, question)).toEqual({ text: `got ${question}` });
  });

  it('leads the address of the host to its loopback', async () => {
    const { port } = await listening((socket) => socket.end('the host'));
    expect(await exchange(await relayTo({ address: '10.244.255.254', port }), '')).toEqual({ text: 'the host' });
  });

  it.each([
    ['what was not redirected', undefined],
    ['a virtual IP', { address: '10.96.0.20', port: 80 }],
    ['a pod', { address: '10.244.0.9', port: 80 }],
  ])('resets %s', async (_, destination) => {
    expect(await exchange(await relayTo(destination), 'hello')).toMatchObject({ text: '', error: 'ECONNRESET' });
  });

  it('resets when nobody is there, and when the other side does', async () => {
    const { server, port } = await listening();
    server.close();
    expect(await exchange(await relayTo({ address: '127.0.0.1', port }), 'hello')).toMatchObject({
      error: 'ECONNRESET',
    });
    const rude = await listening((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.resetAndDestroy());
    });
    const relay = await relayTo({ address: '127.0.0.1', port: rude.port });
    expect(await exchange(relay, 'hello')).toMatchObject({ error: 'ECONNRESET' });
  });

  it('lets go of the outside when the workload is gone', async () => {
    let [reached, ended] = [false, false];
    const { port } = await listening((socket) => {
      socket.on('error', () => {});
      socket.on('data', () => (reached = true));
      socket.once('close', () => (ended = true));
    });
    const socket = connect({ host: '127.0.0.1', port: await relayTo({ address: '127.0.0.1', port }) });
    socket.write('hello');
    await waitFor(() => reached);
    socket.resetAndDestroy();
    await waitFor(() => ended);
  });

  it('lets go of a workload that goes on writing to who has left', async () => {
    const { port } = await listening((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end('bye', () => socket.destroy()));
    });
    const relay = await relayTo({ address: '127.0.0.1', port });
    const socket = connect({ host: '127.0.0.1', port: relay, allowHalfOpen: true });
    const writing = setInterval(() => socket.write('more'), 10);
    cleanups.push(() => clearInterval(writing));
    let gone = false;
    socket.on('error', () => {});
    socket.on('close', () => (gone = true));
    socket.resume();
    await waitFor(() => gone);
  });

  it('takes no more than it may', async () => {
    const { port } = await listening(() => {});
    const relay = await relayTo({ address: '127.0.0.1', port }, { maxConnections: 1 });
    const first = connect({ host: '127.0.0.1', port: relay });
    cleanups.push(() => first.destroy());
    await once(first, 'connect');
    expect(await exchange(relay, '')).toMatchObject({ text: '' });
  });
});
