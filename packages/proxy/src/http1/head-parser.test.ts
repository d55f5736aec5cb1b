import { createServer, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { H1Head } from './h1-head.ts';
import { HeadParser, type ParseResult } from './head-parser.ts';

interface Read {
  readonly result: ParseResult;
  readonly used: number;
  readonly method?: string | undefined;
  readonly path?: string | undefined;
  readonly fields?: readonly string[];
}

/** Feeds the bytes in the given pieces, as a connection would. */
function read(bytes: Buffer, cuts: readonly number[], kind: 'request' | 'response' = 'request'): Read {
  const parser = new HeadParser(kind);
  let result: ParseResult = 'more';
  for (const end of [...cuts, bytes.length]) {
    result = parser.parse(bytes, 0, end);
    if (result !== 'more') break;
  }
  if (result !== 'done') return { result, used: 0 };
  const head = new H1Head(parser);
  head.take(bytes, 0);
  const fields: string[] = [];
  head.forEach((name, value) => fields.push(name, value));
  return { result, used: parser.headEnd, method: head.get(':method'), path: head.get(':path'), fields };
}

const token = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}$/);
const value = fc.stringMatching(/^([\x21-\x7e\xa0-\xff]([\x20-\x7e\t]{0,20}[\x21-\x7e])?)?$/);
const request = fc
  .record({
    method: token,
    path: fc.stringMatching(/^\/[\x21\x22\x24-\x7e]{0,30}$/),
    fields: fc.array(fc.tuple(token, value), { maxLength: 12 }),
  })
  .map(
    ({ method, path, fields }) =>
      `${method} ${path} HTTP/1.1\r\n${fields.map(([name, text]) => `${name}: ${text}\r\n`).join('')}\r\n`,
  );
/** Valid requests with a few bytes changed: mostly invalid, sometimes not. */
const damaged = fc
  .tuple(request, fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 3 }))
  .map(([text, changes]) => {
    const bytes = Buffer.from(text, 'latin1');
    for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
    return bytes;
  });

describe('HeadParser', () => {
  it('gives the same verdict and spans however the bytes are cut', () => {
    fc.assert(
      fc.property(damaged, fc.array(fc.nat(600)), (bytes, cuts) => {
        const whole = read(bytes, []);
        const inOrder = cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b);
        expect(read(bytes, inOrder)).toEqual(whole);
        expect(
          read(
            bytes,
            Array.from(bytes, (_, i) => i),
          ),
        ).toEqual(whole);
      }),
      { numRuns: 500 },
    );
  });

  it('keeps names, case, order and values', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(token, value), { maxLength: 12 }), (fields) => {
        const text = `GET / HTTP/1.1\r\n${fields.map(([name, one]) => `${name}:\t ${one}  \r\n`).join('')}\r\n`;
        expect(read(Buffer.from(text, 'latin1'), []).fields).toEqual(fields.flat());
      }),
    );
  });

  it.each([
    ['HTTP/1.1 200 OK\r\n\r\n', 'done'],
    ['HTTP/1.1 200 \r\n\r\n', 'done'],
    ['HTTP/1.1 200\r\n\r\n', 'done'],
    ['HTTP/1.0 404 Not Found\r\nA: b\r\n\r\n', 'done'],
    ['HTTP/1.1 20 OK\r\n\r\n', 'bad-request'],
    ['HTTP/1.1 099 OK\r\n\r\n', 'bad-request'],
    ['HTTP/1.1 2000 OK\r\n\r\n', 'bad-request'],
    ['HTTP/2.0 200 OK\r\n\r\n', 'unsupported-version'],
    ['\r\nHTTP/1.1 200 OK\r\n\r\n', 'bad-request'],
  ] as const)('reads the status line %j as %s', (text, result) => {
    expect(read(Buffer.from(text), [], 'response').result).toBe(result);
  });

  it('accepts nothing that Node refuses, and reads the same from what both accept', async () => {
    const seen: IncomingMessage[] = [];
    const refused: string[] = [];
    const server = createServer({ requireHostHeader: false, maxHeaderSize: 100_000 }, (incoming, response) => {
      seen.push(incoming);
      response.end();
    });
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      refused.push(error.code ?? '');
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const ask = (bytes: Buffer): Promise<void> =>
      new Promise((resolve) => {
        const socket = connect({ host: '127.0.0.1', port });
        socket.on('data', () => socket.destroy());
        socket.on('error', () => undefined);
        socket.on('close', () => resolve());
        socket.end(bytes);
      });
    // Node knows a list of methods only, and answers some heads by itself (upgrade, expect).
    const known = fc.tuple(damaged, fc.constantFrom('GET', 'POST', 'PUT', 'DELETE')).map(([bytes, method]) => {
      const text = bytes.toString('latin1');
      return Buffer.from(`${method}${text.slice(text.indexOf(' '))}`, 'latin1');
    });
    for (const bytes of fc.sample(known, { numRuns: 150, seed: 11 })) {
      const ours = read(bytes, []);
      const text = bytes.toString('latin1').toLowerCase();
      if (ours.result !== 'done' || /\n(connection|upgrade|expect|content-length|transfer-encoding):/.test(text))
        continue;
      const before = seen.length;
      await ask(bytes);
      expect(seen.length, JSON.stringify(bytes.toString('latin1'))).toBe(before + 1);
      const incoming = seen.at(-1);
      expect(incoming?.method).toBe(ours.method);
      expect(incoming?.url).toBe(ours.path);
      expect(incoming?.rawHeaders).toEqual(ours.fields);
    }
    await new Promise<void>((resolve) => server.close(() => resolve()));
    expect(seen.length).toBeGreaterThan(30);
  });
});
