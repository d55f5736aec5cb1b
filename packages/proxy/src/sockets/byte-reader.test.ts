import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { createReadBuffer, readAccepted } from './byte-reader.ts';

it.each([
  ['what it is told', 8 * 1024, 8 * 1024],
  ['64 KiB', undefined, 64 * 1024],
])('an accepted socket says stop after %s that its client did not take', async (_, given, expected) => {
  const server = createServer({ pauseOnConnect: true });
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.pause();
  const socket = readAccepted(await accepted, createReadBuffer(), () => {}, given);
  expect(socket.writableHighWaterMark).toBe(expected);
  // The system's own buffer takes much more.
  const block = Buffer.alloc(1024 * 1024);
  while (socket.write(block));
  expect(socket.writableNeedDrain).toBe(true);
  socket.destroy();
  client.destroy();
  server.close();
});
