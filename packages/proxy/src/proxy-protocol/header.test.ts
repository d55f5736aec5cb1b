import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseProxyHeader, type ProxyHeader, writeProxyHeader } from './header.ts';

const v1 = (line: string): Buffer => Buffer.from(`${line}\r\nGET /`, 'latin1');
const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';
const v2 = (command: number, transport: number, body: number[]): Buffer =>
  Buffer.concat([Buffer.from(SIGNATURE, 'latin1'), Buffer.from([command, transport, body.length >> 8, body.length & 255, ...body]), Buffer.from('GET /')]); // prettier-ignore

describe('PROXY header', () => {
  it('of version 1', () => {
    const bytes = v1('PROXY TCP4 9.8.7.6 1.2.3.4 5000 80');
    expect(parseProxyHeader(bytes)).toEqual({
      version: 1,
      length: bytes.length - 5,
      client: { source: { address: '9.8.7.6', port: 5000 }, destination: { address: '1.2.3.4', port: 80 } },
    });
    expect(parseProxyHeader(v1('PROXY TCP6 2001:db8::1 ::1 1 65535'))).toMatchObject({
      client: { source: { address: '2001:db8::1', port: 1 }, destination: { address: '::1', port: 65_535 } },
    });
    expect(parseProxyHeader(v1('PROXY UNKNOWN whatever it says'))).toMatchObject({ version: 1, client: undefined });
  });

  it.each([
    'PROXY TCP4 9.8.7.6 1.2.3.4 5000',
    'PROXY TCP4 9.8.7.6 1.2.3.4 5000 80 x',
    'PROXY TCP4 9.8.7.6 1.2.3.4  80',
    'PROXY TCP4 9.8.7.6 1.2.3.4 5000 65536',
    'PROXY TCP4 9.8.7.6 1.2.3.4 05000 80',
    'PROXY TCP4 9.8.7.6 1.2.3.4 -1 80',
    'PROXY TCP4 ::1 ::1 1 2',
    'PROXY TCP6 1.2.3.4 1.2.3.4 1 2',
    'PROXY UDP4 1.2.3.4 1.2.3.4 1 2',
    'PROXY TCP4 9.8.7 1.2.3.4 1 2',
    `PROXY TCP4 ${'9'.repeat(120)} 1.2.3.4 1 2`,
  ])('of version 1 is not %s', (line) => expect(parseProxyHeader(v1(line))).toBe('invalid'));

  it('of version 2', () => {
    const inet = [9, 8, 7, 6, 1, 2, 3, 4, 0x13, 0x88, 0, 80];
    expect(parseProxyHeader(v2(0x21, 0x11, inet))).toEqual({
      version: 2,
      length: 28,
      client: { source: { address: '9.8.7.6', port: 5000 }, destination: { address: '1.2.3.4', port: 80 } },
    });
    // With something appended, for itself, over a Unix socket.
    expect(parseProxyHeader(v2(0x21, 0x11, [...inet, 4, 0, 1, 0]))).toMatchObject({ length: 32 });
    expect(parseProxyHeader(v2(0x20, 0x00, []))).toMatchObject({ length: 16, client: undefined });
    expect(parseProxyHeader(v2(0x21, 0x31, Array<number>(216).fill(0)))).toMatchObject({ client: undefined });
    expect(parseProxyHeader(v2(0x21, 0x11, inet.slice(1)))).toBe('invalid');
    expect(parseProxyHeader(v2(0x31, 0x11, inet))).toBe('invalid');
    expect(parseProxyHeader(v2(0x22, 0x11, inet))).toBe('invalid');
    expect(parseProxyHeader(v2(0x21, 0x12, inet))).toBe('invalid');
    expect(parseProxyHeader(v2(0x21, 0x41, inet))).toBe('invalid');
    expect(parseProxyHeader(v2(0x21, 0x11, Array<number>(5000).fill(0)))).toBe('invalid');
  });

  it('is none', () => {
    for (const text of ['GET / HTTP/1.1\r\n', '\r\nGET', 'PROXYX', 'proxy TCP4', '\x16\x03\x01'])
      expect(parseProxyHeader(Buffer.from(text, 'latin1'))).toBe('none');
  });

  it('has addresses in their shortest form', () => {
    const long = { address: '2001:0db8:0010:0000:0000:0003:255.255.255.255', port: 65_535 };
    const line = 'PROXY TCP6 2001:db8:10::3:ffff:ffff 2001:db8:10::3:ffff:ffff 65535 65535\r\n';
    expect(writeProxyHeader(1, long, long).toString('latin1')).toBe(line);
    expect(parseProxyHeader(writeProxyHeader(2, long, long))).toMatchObject({
      client: { source: { address: '2001:db8:10::3:ffff:ffff' } },
    });
  });

  it('is read back as written, and not before it is whole', () => {
    const endpoint = fc.record({ address: fc.oneof(fc.ipV4(), fc.ipV6()), port: fc.nat(65_535) });
    fc.assert(
      fc.property(fc.constantFrom(1 as const, 2 as const), endpoint, endpoint, (version, source, destination) => {
        const bytes = writeProxyHeader(version, source, destination);
        for (let length = 1; length < bytes.length; length += 1)
          expect(parseProxyHeader(bytes.subarray(0, length))).toBe('more');
        const read = parseProxyHeader(Buffer.concat([bytes, Buffer.from('rest')])) as ProxyHeader;
        expect(read).toMatchObject({ version, length: bytes.length });
        if (source.address.includes(':') !== destination.address.includes(':')) {
          expect(read.client).toBeUndefined();
          return;
        }
        expect(read.client?.source.port).toBe(source.port);
        expect(writeProxyHeader(2, read.client?.source ?? source, read.client?.destination ?? destination)).toEqual(
          writeProxyHeader(2, source, destination),
        );
      }),
    );
  });

  it('survives any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (tail, second) => {
        const bytes = Buffer.concat([Buffer.from(second ? SIGNATURE : 'PROXY ', 'latin1'), tail]);
        const read = parseProxyHeader(bytes);
        if (typeof read !== 'string') expect(read.length).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });
});
