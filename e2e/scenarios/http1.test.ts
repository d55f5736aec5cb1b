/** HTTP/1.1 byte for byte: what a client says reaches the application as it was said, or not at all. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { waitFor } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { edgeTo } from '../harness/edge.ts';
import { startMesh, type TestMesh } from '../harness/mesh.ts';
import { programPath, startEcho } from '../harness/programs.ts';
import { raw } from '../harness/raw.ts';

let mesh: TestMesh;
/** The caller's own sidecar; behind it mutual TLS to the sidecar of `wire`. */
let door: string;

beforeAll(async () => {
  mesh = await startMesh();
  await startEcho(mesh, { service: 'caller', version: 'v1' });
  await mesh.run([
    '--service=wire',
    '--version=v1',
    '--name=wire-v1',
    '--port=8000',
    '--health-path=/health',
    '--',
    process.execPath,
    programPath('wire.mjs'),
  ]);
  await mesh.apply(edgeTo('wire'));
  door = await mesh.outbound('caller-v1', 'wire', 8000);
});
afterAll(() => mesh?.[Symbol.asyncDispose]());

const H = 'Host: wire\r\n';
const doors = (): readonly string[] => [door, mesh.gateway];
const answering = (bytes: string): string => `/bytes/${Buffer.from(bytes, 'latin1').toString('base64url')}`;
const statuses = (text: string): string[] => [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status = '']) => status);

/** Says one thing after the other, each once `hear` came. */
function converse(url: string, turns: readonly (readonly [say: string, hear: string])[]): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    let text = '';
    let turn = 0;
    const socket = connect({ host: hostname, port: Number(port) }, () => socket.write(turns[0]?.[0] ?? '', 'latin1'));
    socket.setTimeout(10_000, () => socket.destroy());
    socket.on('data', (data) => {
      text += data.toString('latin1');
      if (!text.endsWith(turns[turn]?.[1] ?? '')) return;
      turn += 1;
      const next = turns[turn];
      if (next === undefined) socket.destroy();
      else socket.write(next[0], 'latin1');
    });
    socket.on('error', () => {});
    socket.once('close', () => resolve(text));
  });
}

describe('TR-12 header lines', () => {
  it('TR-12 keep case, order, repetition and bytes, there and back', async () => {
    const lines = [
      'X-Zebra: 1',
      'accept: */*',
      'x-zebra: 2',
      'X-ZEBRA: \xe9\xff',
      'constructor: a',
      'ToString: b',
      'X-Empty:',
    ];
    for (const one of doors()) {
      const got = await raw(
        one,
        `GET /seen HTTP/1.1\r\nHost: wire\r\n${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`,
      );
      const [head, body] = [got.slice(0, got.indexOf('\r\n\r\n')), got.slice(got.indexOf('\r\n\r\n') + 4)];
      expect(head).toMatch(/^HTTP\/1\.1 200 Fine By Me\r\nX-First: \d+\r\nx-SECOND: 2\r\nX-first: again\r\n/);
      const seen = body.split('\r\n');
      expect(seen.slice(0, 2 + lines.length)).toEqual(['GET /seen HTTP/1.1', 'Host: wire', ...lines]);
    }
  });

  it('TR-12 of one hop end there', async () => {
    const got = await raw(
      door,
      `GET /seen HTTP/1.1\r\n${H}Connection: close, X-Mine, Host, Authorization\r\nX-Mine: 1\r\nAuthorization: kept\r\nKeep-Alive: 5\r\nProxy-Connection: a\r\nTE: gzip\r\n\r\n`,
    );
    const body = got.slice(got.indexOf('\r\n\r\n') + 4);
    expect(body).toContain('Authorization: kept\r\n');
    for (const gone of ['X-Mine', 'Keep-Alive', 'Proxy-Connection', 'TE:']) expect(body).not.toContain(gone);
  });
});

describe('TR-11 HTTP/1.1', () => {
  it('TR-11 HTTP/1.0 is answered, kept open for who asks, and never chunked', async () => {
    for (const one of doors()) {
      const got = await raw(one, `GET /trailers HTTP/1.0\r\n${H}\r\n`);
      expect(got).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*connection: close\r\n\r\nhello$/);
      const kept = await raw(one, `GET /a HTTP/1.0\r\n${H}Connection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\n${H}\r\n`);
      expect(statuses(kept)).toEqual(['200', '200']);
    }
    expect(statuses(await raw(door, 'GET / HTTP/1.0\r\n\r\n'))).toEqual(['400']);
  });

  it('TR-11 HEAD, 204 and 304 have no body, and the connection goes on', async () => {
    const bodyless = (status: string): string => answering(`HTTP/1.1 ${status}\r\nContent-Length: 9\r\n\r\n`);
    for (const one of doors()) {
      const got = await raw(
        one,
        `HEAD /seen HTTP/1.1\r\n${H}\r\nGET ${bodyless('304 Same')} HTTP/1.1\r\n${H}\r\nGET ${bodyless('204 None')} HTTP/1.1\r\n${H}\r\nGET /seen HTTP/1.1\r\n${H}Connection: close\r\n\r\n`,
      );
      expect(statuses(got)).toEqual(['200', '304', '204', '200']);
      expect(got.match(/GET \/seen/g)).toHaveLength(1);
      expect(got).not.toMatch(/204 None\r\n[^]*content-length: 9[^]*200 Fine/i);
    }
  });

  it('TR-11 100 Continue comes from the application, and only then does the body', async () => {
    for (const one of doors()) {
      const got = await converse(one, [
        [
          `POST /seen HTTP/1.1\r\n${H}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n`,
          'HTTP/1.1 100 Carry On\r\n\r\n',
        ],
        ['ok', '\r\n\r\nok'],
      ]);
      expect(statuses(got)).toEqual(['100', '200']);
    }
  });

  it('TR-11 100 Continue with curl', () => {
    const curl = spawnSync('curl', ['-sv', '-m', '20', '-H', 'Expect: 100-continue', '--data-binary', 'x'.repeat(4_000), `${door}/seen`], { encoding: 'utf8' }); // prettier-ignore
    expect(curl.stderr).toMatch(/< HTTP\/1\.1 100 Carry On[^]*< HTTP\/1\.1 200 Fine By Me/);
    expect(curl.stdout).toContain('x'.repeat(4_000));
  });

  it('TR-11 trailers reach who takes them, both ways, without what does not belong there', async () => {
    for (const one of doors()) {
      const asked = await raw(one, `GET /trailers HTTP/1.1\r\n${H}TE: trailers\r\nConnection: TE, close\r\n\r\n`);
      expect(asked).toMatch(/5\r\nhello\r\n0\r\nX-Sum: 1\r\nx-SUM: 2\r\n\r\n$/);
      const silent = await raw(one, `GET /trailers HTTP/1.1\r\n${H}Connection: close\r\n\r\n`);
      expect(silent).toMatch(/5\r\nhello\r\n0\r\n\r\n$/);
      const sent = await raw(
        one,
        `POST /seen HTTP/1.1\r\n${H}Connection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\nContent-Length: 1\r\n\r\n`,
      );
      expect(sent).toMatch(/3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n$/);
    }
  });

  it('TR-11 pipelined requests are answered in order', async () => {
    const paths = Array.from({ length: 50 }, (_, i) => `/seen?${i}`);
    const bytes = paths.map((path, i) => (i % 2 === 0 ? `GET ${path} HTTP/1.1\r\n${H}\r\n` : `POST ${path} HTTP/1.1\r\n${H}Content-Length: 3\r\n\r\nabc`)); // prettier-ignore
    for (const one of doors()) {
      const got = await raw(one, bytes.join(''));
      expect([...got.matchAll(/(?:GET|POST) (\/seen\?\d+) HTTP/g)].map(([, path]) => path)).toEqual(paths);
    }
  });

  it('TR-11 absolute form becomes origin form, and its authority wins', async () => {
    const got = await raw(
      mesh.gateway,
      `GET http://Other.example/seen?a=1 HTTP/1.1\r\nHost: wire\r\nConnection: close\r\n\r\n`,
    );
    expect(got).toContain('GET /seen?a=1 HTTP/1.1\r\nHost: Other.example\r\n');
  });

  it('TR-11 WebSocket: a tunnel behind 101, bytes both ways, also those sent early', async () => {
    const upgrade = `GET /ws HTTP/1.1\r\n${H}Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n`;
    for (const one of doors()) {
      const got = await converse(one, [
        [upgrade, 'welcome'],
        ['\x81\x85\x00\xff', '<\x81\x85\x00\xff>'],
        ['GET /admin HTTP/1.1\r\n\r\n', '<GET /admin HTTP/1.1\r\n\r\n>'],
      ]);
      expect(got).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n[^]*Upgrade: websocket\r\nX-Tunnel: Yes\r\n/);
      expect(await converse(one, [[`${upgrade}early`, '<early>']])).toContain('welcome<early>');
      // Refused by the application: no tunnel, and the next bytes are a request.
      const refused = await raw(
        one,
        upgrade.replace('/ws', '/seen') + `GET /seen?next HTTP/1.1\r\n${H}Connection: close\r\n\r\n`,
      );
      expect(statuses(refused)).toEqual(['200', '200']);
    }
  });

  it('TR-11 WebSocket over HTTP/2 (RFC 8441) reaches an application that speaks HTTP/1.1', async () => {
    for (const one of doors()) {
      const session = connectHttp2(one);
      const [settings] = (await once(session, 'remoteSettings')) as [{ enableConnectProtocol?: boolean }];
      expect(settings.enableConnectProtocol).toBe(true);
      const stream = session.request({
        ':method': 'CONNECT',
        ':protocol': 'websocket',
        ':path': '/ws',
        'sec-websocket-version': '13',
      });
      let text = '';
      stream.on('data', (data: Buffer) => (text += data.toString('latin1')));
      const [head] = (await once(stream, 'response')) as [Record<string, unknown>];
      expect(head).toMatchObject({ ':status': 200, 'x-tunnel': 'Yes' });
      stream.write('ping');
      await waitFor(() => text === 'welcome<ping>', { timeoutMs: 10_000, what: text });
      session.destroy();
      const other = connectHttp2(one);
      await once(other, 'remoteSettings');
      const refused = other.request({ ':method': 'CONNECT', ':protocol': 'irc', ':path': '/ws' });
      const [answer] = (await once(refused, 'response')) as [Record<string, unknown>];
      expect(answer).toMatchObject({ ':status': 403, 'x-weft-reason': 'upgrade-refused' });
      other.destroy();
    }
  });

  it('TR-11 an Upgrade to what nobody configured is refused or passed over', async () => {
    for (const one of doors()) {
      const other = await raw(one, `GET /seen HTTP/1.1\r\n${H}Connection: Upgrade, close\r\nUpgrade: irc/6.9\r\n\r\n`);
      expect(statuses(other)).toEqual(['403']);
      const h2c = await raw(
        one,
        `GET /seen HTTP/1.1\r\n${H}Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n`,
      );
      expect(statuses(h2c)).toEqual(['200']);
      expect(h2c.toLowerCase()).not.toMatch(/\nupgrade|http2-settings/);
    }
  });
});

describe('SE-11 bytes', () => {
  const chunked = (body: string): string => `POST /seen HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n${body}`;
  const REFUSED: readonly (readonly [what: string, bytes: string, status: number])[] = [
    ['a2 chunked twice', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 501],
    ['a2 a quoted coding', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`, 501],
    ['a4 a list of equal lengths', `POST / HTTP/1.1\r\n${H}Content-Length: 5, 5\r\n\r\nhello`, 400],
    ['a4 an empty length', `POST / HTTP/1.1\r\n${H}Content-Length:\r\n\r\n`, 400],
    ['a4 underscores in a length', `POST / HTTP/1.1\r\n${H}Content-Length: 1_0\r\n\r\n`, 400],
    ['a5 a length beyond 2^53', `POST / HTTP/1.1\r\n${H}Content-Length: 9007199254740993\r\n\r\n`, 400],
    ['a6 a bare CR', `GET / HTTP/1.1\r\n${H}A: b\rC: d\r\n\r\n`, 400],
    ['a8 a space before the first field', `GET / HTTP/1.1\r\n ${H}\r\n`, 400],
    ['a9 an empty name', `GET / HTTP/1.1\r\n${H}: b\r\n\r\n`, 400],
    ['a9 a line without colon', `GET / HTTP/1.1\r\n${H}abc\r\n\r\n`, 400],
    ['a10 DEL in a value', `GET / HTTP/1.1\r\n${H}A: b\x7fc\r\n\r\n`, 400],
    ['a11 no Host', `GET / HTTP/1.1\r\n\r\n`, 400],
    ['a11 a path in Host', `GET / HTTP/1.1\r\nHost: wire/evil\r\n\r\n`, 400],
    ['a11 a user in Host', `GET / HTTP/1.1\r\nHost: u@wire\r\n\r\n`, 400],
    ['a12 a user in the target', `GET http://u@wire/ HTTP/1.1\r\n${H}\r\n`, 400],
    ['a13 a tab', `GET\t/ HTTP/1.1\r\n${H}\r\n`, 400],
    ['a13 a version of 2.0', `GET / HTTP/2.0\r\n${H}\r\n`, 505],
    ['a13 bytes above ASCII', `GET /\xe9 HTTP/1.1\r\n${H}\r\n`, 400],
    ['a16 three blank lines', `\r\n\r\n\r\nGET / HTTP/1.1\r\n${H}\r\n`, 400],
    ['a17 a long target', `GET /${'a'.repeat(70_000)} HTTP/1.1\r\n${H}\r\n`, 414],
    ['a17 too many fields', `GET / HTTP/1.1\r\n${H}${'A: b\r\n'.repeat(1_100)}\r\n`, 431],
    ['a18 a signed chunk', chunked('+5\r\nhello\r\n0\r\n\r\n'), 400],
    ['a18 an endless chunk', chunked('fffffffffffffffff\r\nhello\r\n0\r\n\r\n'), 400],
    ['a18 a space behind the size', chunked('5 \r\nhello\r\n0\r\n\r\n'), 400],
    ['a19 LF in an extension', chunked('5;a\nb\r\nhello\r\n0\r\n\r\n'), 400],
    ['a19 an endless extension', chunked(`5;${'a'.repeat(20_000)}\r\nhello\r\n0\r\n\r\n`), 400],
    ['a20 LF behind the size', chunked('5\nhello\r\n0\r\n\r\n'), 400],
    ['a20 no CRLF behind the data', chunked('5\r\nhelloX\r\n0\r\n\r\n'), 400],
    ['a22 LF in trailers', chunked('0\r\nA: b\n\r\n'), 400],
    ['a22 a space before the colon in trailers', chunked('0\r\nA : b\r\n\r\n'), 400],
  ]; // prettier-ignore
  it.each(REFUSED)('SE-11 %s is refused, and nothing behind it is a request', async (_, bytes, status) => {
    for (const one of doors()) {
      const got = await raw(one, `${bytes}GET /smuggled HTTP/1.1\r\n${H}\r\n`);
      // What was on its way when a chunk turned out to be wrong may have been cut instead of answered.
      expect([String(status), undefined]).toContain(statuses(got)[0]);
      expect(statuses(got).length).toBeLessThanOrEqual(1);
      expect(got).not.toContain('smuggled');
    }
  });

  it('SE-11 a14 a method is what it is called, and a21 tiny chunks arrive as one body', async () => {
    for (const one of doors()) {
      expect(await raw(one, `gEt /seen HTTP/1.1\r\n${H}Connection: close\r\n\r\n`)).toContain('gEt /seen HTTP/1.1\r\n');
      const tiny = '1\r\na\r\n'.repeat(5_000);
      const got = await raw(one, chunked(`${tiny}0\r\n\r\n`));
      expect(statuses(got)).toEqual(['200']);
      expect(got.match(/(?<=\r\n)a+(?=\r\n)/g)?.join('')).toHaveLength(5_000);
    }
  });

  it('SE-11 a27 an answer before the end of the body ends the connection, and the body is no request', async () => {
    for (const one of doors()) {
      const got = await raw(
        one,
        `POST /early HTTP/1.1\r\n${H}Content-Length: 1000\r\n\r\nGET /smuggled HTTP/1.1\r\n${H}\r\n`,
      );
      expect(statuses(got)).toEqual(['413']);
      expect(got.toLowerCase()).toContain('connection: close');
    }
  });

  it('SE-11 a28 what follows Connection: close is ignored', async () => {
    for (const one of doors())
      expect(statuses(await raw(one, `GET /seen HTTP/1.1\r\n${H}Connection: close\r\n\r\nnot http at all`))).toEqual([
        '200',
      ]);
  });

  it.each([
    ['length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok'],
    ['a folded line', 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n'],
    ['a space before the colon', 'HTTP/1.1 200 OK\r\nA : b\r\nContent-Length: 0\r\n\r\n'],
    ['a bad status', 'HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n'],
    ['no HTTP', 'once upon a time\r\n\r\n'],
    ['an upgrade that was not asked for', 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'],
    ['a huge head', ''],
  ])('SE-11 a34 an application that answers with %s: 502', async (_, bytes) => {
    for (const one of doors()) {
      const got = await raw(one, `GET ${bytes === '' ? '/huge' : answering(bytes)} HTTP/1.1\r\n${H}Connection: close\r\n\r\n`);
      expect(statuses(got)).toEqual(['502']);
      expect(got).toContain('x-weft-reason: upstream-protocol-error\r\n');
    }
  }); // prettier-ignore

  it('SE-11 a25 a36 bytes behind an answer are nobody’s answer', async () => {
    const poison = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison';
    for (const bytes of [
      `HTTP/1.1 204 None\r\n\r\n${poison}`,
      `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok${poison}`,
    ]) {
      for (const one of doors()) {
        const got = await raw(
          one,
          `GET ${answering(bytes)} HTTP/1.1\r\n${H}\r\nGET /seen HTTP/1.1\r\n${H}Connection: close\r\n\r\n`,
        );
        expect(statuses(got)).toHaveLength(2);
        expect(got).toContain('GET /seen HTTP/1.1');
        expect(got).not.toContain('poison');
      }
    }
  });

  it('SE-11 a35 a body that the application cut never ends cleanly', async () => {
    for (const body of ['Content-Length: 100\r\n\r\nhello', 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz']) {
      const bytes = `HTTP/1.1 200 OK\r\n${body}`;
      const got = await raw(door, `GET ${answering(bytes)} HTTP/1.1\r\n${H}Connection: close\r\n\r\n`);
      expect(got).not.toMatch(/\r\n0\r\n\r\n$/);
    }
  });
});
