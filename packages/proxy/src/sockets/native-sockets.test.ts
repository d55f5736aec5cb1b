import { createServer, type AddressInfo, type Socket } from 'node:net';
import type { WeftError } from '@weft/kit';
import { describe, expect, it } from 'vitest';
import { connectPlain, createReadBuffers } from './byte-reader.ts';
import { loadSocketCalls, markedSockets, originalDestinations, type SocketCalls } from './native-sockets.ts';

const accepted = (fd: number | undefined, remoteAddress: string): Socket =>
  ({ _handle: fd === undefined ? null : { fd }, remoteAddress }) as unknown as Socket;

/** A kernel that answers with these bytes at this level, and says no at others. */
const kernel = (level: number, answer: Buffer): SocketCalls => ({
  socket: () => 7,
  setsockopt: () => 0,
  getsockopt: (_fd, asked, name, value) => {
    if (asked !== level || name !== 80) return -1;
    answer.copy(value);
    return 0;
  },
  errno: () => 2,
});

const ipv4 = Buffer.from([2, 0, 0x23, 0x78, 10, 96, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0]);
const ipv6 = (groups: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(28);
  bytes.writeUInt16BE(443, 2);
  groups.forEach((group, i) => bytes.writeUInt16BE(group, 8 + 2 * i));
  return bytes;
};

describe('original destinations', () => {
  it('are read from the accepted descriptor', () => {
    const tell = originalDestinations(kernel(0, ipv4));
    expect(tell(accepted(9, '10.244.0.2'))).toEqual({ address: '10.96.0.12', port: 9080 });
    expect(tell(accepted(9, '::ffff:10.244.0.2'))).toEqual({ address: '10.96.0.12', port: 9080 });
  });
  it('are not known of connections that nothing redirected, or that are gone', () => {
    const tell = originalDestinations(kernel(41, ipv4));
    expect(tell(accepted(9, '10.244.0.2'))).toBeUndefined();
    expect(originalDestinations(kernel(0, ipv4))(accepted(undefined, '10.244.0.2'))).toBeUndefined();
    expect(originalDestinations(kernel(0, ipv4))(accepted(-1, '10.244.0.2'))).toBeUndefined();
  });
  it.each([
    [[0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], '2001:db8::1'],
    [[0, 0, 0, 0, 0, 0, 0, 1], '::1'],
    [[0xfd00, 0, 0, 0, 0, 0, 0, 0], 'fd00::'],
    [[1, 0, 0, 2, 0, 0, 0, 3], '1:0:0:2::3'],
    [[1, 2, 3, 4, 5, 6, 7, 8], '1:2:3:4:5:6:7:8'],
  ])('of IPv6 are written as %j → %s', (groups, address) => {
    expect(originalDestinations(kernel(41, ipv6(groups)))(accepted(9, 'fd00::9'))).toEqual({ address, port: 443 });
  });
});

describe('marked sockets', () => {
  it('are refused at once where they are not allowed, with what to do', () => {
    const calls = loadable();
    if (calls === undefined) return;
    const denied: SocketCalls = { ...calls, setsockopt: () => -1, errno: () => 1 };
    expect(() => markedSockets(denied, 1337)).toThrow(
      expect.objectContaining({ code: 'WEFT_SOCKET_MARK', fix: expect.stringContaining('CAP_NET_ADMIN') as string }),
    );
  });

  it('connect, from the address that was asked for, and carry their mark', async (context) => {
    const calls = loadable();
    if (calls === undefined) return context.skip('the C library can not be called here');
    let open: (address: string) => number;
    try {
      open = markedSockets(calls, 1337);
    } catch (error) {
      return context.skip(`no marks here: ${(error as WeftError).message}`);
    }
    const from: string[] = [];
    const server = createServer((socket) => {
      from.push(socket.remoteAddress ?? '');
      socket.end('hello');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    const { port } = server.address() as AddressInfo;
    const fd = open('127.0.0.1');
    const value = Buffer.alloc(4);
    calls.getsockopt(fd, 1, 36, value, Buffer.from(Uint32Array.of(4).buffer));
    expect(value.readUInt32LE()).toBe(1337);
    const text = await new Promise<string>((resolve, reject) => {
      let got = '';
      const socket = connectPlain(
        { host: '127.0.0.1', port, localAddress: '127.0.0.6' },
        createReadBuffers().http,
        (buffer, start, end) => (got += buffer.toString('latin1', start, end)),
        { fd, preamble: undefined },
      );
      socket.once('end', () => {
        resolve(got);
        socket.destroy();
      });
      socket.once('error', reject);
    });
    expect([text, from]).toEqual(['hello', ['127.0.0.6']]);
    server.close();
  });
});

function loadable(): SocketCalls | undefined {
  try {
    return loadSocketCalls();
  } catch {
    return undefined;
  }
}
