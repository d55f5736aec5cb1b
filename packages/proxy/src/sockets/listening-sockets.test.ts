import { connect, createServer } from 'node:net';
import { freePort, waitFor } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { loadListeningSockets, socketAddress } from './listening-sockets.ts';

describe.skipIf(process.platform !== 'linux')('listening sockets', () => {
  it('serve under several numbers until the last is closed', async () => {
    const sockets = loadListeningSockets();
    const port = await freePort();
    const fd = sockets.open('127.0.0.1', port, 16);
    const copy = sockets.duplicate(fd);
    expect(copy).not.toBe(fd);
    expect(() => sockets.open('127.0.0.1', port, 16)).toThrow(
      `listen EADDRINUSE: address already in use 127.0.0.1:${port}`,
    );
    sockets.close(fd);
    let taken = 0;
    const server = createServer((socket) => {
      taken += 1;
      socket.destroy();
    });
    server.listen({ fd: copy });
    const client = connect(port, '127.0.0.1');
    await waitFor(() => taken === 1);
    client.destroy();
    server.close();
    const refused = await new Promise((resolve) => connect(port, '127.0.0.1').on('error', resolve));
    expect(refused).toMatchObject({ code: 'ECONNREFUSED' });
  });
  it('says in words what the system refuses', () => {
    const sockets = loadListeningSockets();
    expect(() => sockets.open('192.0.2.1', 1234, 16)).toThrow('EADDRNOTAVAIL');
    expect(() => sockets.duplicate(98_765)).toThrow('EBADF');
    expect(() => sockets.open('nowhere', 1, 16)).toThrow('nowhere is no address');
  });
});

describe('the address of a socket', () => {
  it.each([
    ['127.0.0.1', 8080, '02001f907f0000010000000000000000'],
    ['::1', 80, '0a000050000000000000000000000000000000000000000100000000'],
  ])('%s', (address, port, hex) => {
    expect(socketAddress(address, port).toString('hex')).toBe(hex);
  });
});
