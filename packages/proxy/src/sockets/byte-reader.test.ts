import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { waitFor } from '@weft/testkit';
import { ACCEPTED, createReadBuffers, readAccepted } from './byte-reader.ts';
import { endedByReset } from './descriptor.ts';

/** A client and what a listener accepted of it. */
async function joined(): Promise<{ client: Socket; accepted: Socket; close: () => void }> {
  const server = createServer(ACCEPTED);
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  return { client, accepted: await accepted, close: () => server.close() };
}

it.each(['nothing', 'the first bytes'])(
  'an accepted socket of which %s were read gives the rest to the shared buffer',
  async (read) => {
    const { client, accepted, close } = await joined();
    const shared = createReadBuffers().http;
    client.write('first');
    let got = '';
    if (read !== 'nothing') {
      await new Promise<void>((resolve) => accepted.once('readable', resolve));
      got = String(accepted.read());
    }
    const socket = readAccepted(accepted, shared, (buffer, start, end) => {
      expect(buffer).toBe(shared);
      got += buffer.toString('latin1', start, end);
    });
    let ended = false;
    socket.on('end', () => (ended = true));
    socket.resume();
    await waitFor(() => got === 'first');
    client.write(' second');
    await waitFor(() => got === 'first second');
    socket.pause();
    client.write(' third');
    socket.write('answer');
    expect(String(await new Promise((resolve) => client.once('data', resolve)))).toBe('answer');
    expect(got).toBe('first second');
    socket.resume();
    client.end();
    await waitFor(() => ended && got === 'first second third');
    // The other direction is open still.
    socket.end('last');
    expect(String(await new Promise((resolve) => client.once('data', resolve)))).toBe('last');
    await waitFor(() => socket.destroyed);
    close();
  },
);

it('a reset that comes with bytes is told from an end, also where the address was asked for before', async () => {
  for (const resets of [true, false]) {
    const { client, accepted, close } = await joined();
    expect(accepted.remoteAddress).toBe('127.0.0.1');
    const socket = readAccepted(accepted, createReadBuffers().http, () => {});
    socket.on('error', () => {});
    await new Promise<void>((resolve) => client.write('x', () => resolve()));
    if (resets) client.resetAndDestroy();
    else client.end();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const seen = await new Promise<string>((resolve) => {
      socket.once('end', () => resolve(endedByReset(socket) ? 'reset' : 'end'));
      socket.once('error', () => resolve('reset'));
      socket.resume();
    });
    expect(seen).toBe(resets ? 'reset' : 'end');
    socket.destroy();
    client.destroy();
    close();
  }
});

it.each([
  ['what it is told', 8 * 1024, 8 * 1024],
  ['64 KiB', undefined, 64 * 1024],
])('an accepted socket says stop after %s that its client did not take', async (_, given, expected) => {
  const server = createServer({ pauseOnConnect: true });
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.pause();
  const socket = readAccepted(await accepted, createReadBuffers().http, () => {}, given);
  expect(socket.writableHighWaterMark).toBe(expected);
  // The system's own buffer takes much more.
  const block = Buffer.alloc(1024 * 1024);
  while (socket.write(block));
  expect(socket.writableNeedDrain).toBe(true);
  socket.destroy();
  client.destroy();
  server.close();
});
