import { connect, createServer, type AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { createCuttingRelay, type Cut } from './cutting-relay.ts';

/** Says back what it hears. */
async function echo(): Promise<{ readonly host: string; readonly port: number; close(): void }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port, close: () => void server.close() };
}

/** @returns what came back, and how it ended. */
const say = (port: number, text: string): Promise<string> =>
  new Promise((resolve) => {
    let got = '';
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () => socket.write(text));
    socket.on('data', (data) => {
      got += String(data);
      if (got === text) socket.end();
    });
    socket.on('end', () => {
      resolve(got);
      socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(`${got} ${error.code}`));
  });

describe('a relay that cuts', () => {
  it.each<[Cut, string, number, number]>([
    [{ way: 'there', after: 4, how: 'closed' }, '', 4, 0],
    [{ way: 'there', after: 0, how: 'reset' }, ' ECONNRESET', 0, 0],
    [{ way: 'there', after: 4, how: 'ended' }, 'some', 4, 4],
    [{ way: 'back', after: 4, how: 'closed' }, 'some', 9, 4],
    [{ way: 'back', after: 9, how: 'ended' }, 'something', 9, 9],
  ])('%j', async (cut, heard, there, back) => {
    const server = await echo();
    await using relay = await createCuttingRelay(server);
    expect(await say(relay.port, 'uncut')).toBe('uncut');
    const passed = relay.cutNext(cut);
    expect(await say(relay.port, 'something')).toBe(heard);
    expect([passed.cut, passed.there.length, passed.back.length <= back]).toEqual([true, there, true]);
    expect(await say(relay.port, 'uncut again')).toBe('uncut again');
    server.close();
  });
});
