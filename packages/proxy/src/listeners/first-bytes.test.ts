import { createServer, type AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { inspect } from './first-bytes.ts';

/** What Node's TLS client says first. */
async function clientHello(): Promise<Buffer> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const hello = new Promise<Buffer>((resolve) =>
    server.once('connection', (socket) =>
      socket.once('data', (chunk: Buffer) => {
        resolve(chunk);
        socket.destroy();
      }),
    ),
  );
  const client = connect({
    host: '127.0.0.1',
    port,
    servername: 'Name.Example',
    ALPNProtocols: ['istio-http/1.1', 'istio'],
  });
  client.on('error', () => undefined);
  const bytes = await hello;
  server.close();
  return bytes;
}

/** The same handshake bytes in records of a few bytes each. */
function inSmallRecords(hello: Buffer, size: number): Buffer {
  const body = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    const part = body.subarray(at, at + size);
    records.push(Buffer.from([0x16, 3, 1, 0, part.length]), part);
  }
  return Buffer.concat(records);
}

describe('inspect', () => {
  it('reads SNI and ALPN, byte by byte and over several records', async () => {
    const hello = await clientHello();
    const expected = {
      transport: 'tls',
      serverName: 'name.example',
      applicationProtocols: ['istio-http/1.1', 'istio'],
    };
    expect(inspect(hello, false)).toEqual(expected);
    expect(inspect(inSmallRecords(hello, 20), false)).toEqual(expected);
    for (let end = 0; end < hello.length; end += 1) expect(inspect(hello.subarray(0, end), true)).toBe('more');
  });

  it('tells the same of a hello that can not be, however much of it is there', async () => {
    const hello = await clientHello();
    const tooLong = Buffer.from(hello);
    tooLong.writeUIntBE(0x20_0000, 6, 3);
    const another = Buffer.from(hello);
    another[5] = 2;
    const nothing = { transport: 'tls', serverName: '', applicationProtocols: [] };
    for (const bytes of [tooLong, another]) {
      for (let end = 9; end <= bytes.length; end += 1) expect(inspect(bytes.subarray(0, end), true)).toEqual(nothing);
    }
    expect(inspect(inSmallRecords(hello, 1), true)).toMatchObject({ serverName: 'name.example' });
  });

  it('never throws, whatever a byte is', async () => {
    const hello = await clientHello();
    for (let at = 5; at < hello.length; at += 1) {
      for (const byte of [0, 0xff]) {
        const damaged = Buffer.from(hello);
        damaged[at] = byte;
        inspect(damaged, true);
      }
    }
  });

  it('tells HTTP from other plain bytes', () => {
    const told = (text: string): unknown => {
      const facts = inspect(Buffer.from(text), true);
      return facts === 'more' ? facts : facts.applicationProtocols;
    };
    expect(told('GET / HTTP/1.1\r\n')).toEqual(['http/1.1']);
    expect(told('GET / HTTP/1.0\r\n')).toEqual(['http/1.0']);
    expect(told('GET / HT')).toBe('more');
    expect(told('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')).toEqual(['h2c']);
    expect(told('PRI * HT')).toBe('more');
    expect(told('\x00\x01')).toEqual([]);
    expect(told('hello\n')).toEqual([]);
  });
});
