/** Clients of a gateway that take too much, ask for what nobody wants, or keep to no rule of HTTP/2. */
import { readFileSync } from 'node:fs';
import { waitFor } from '@weft/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { edgeTo } from '../harness/edge.ts';
import { http } from '../harness/http.ts';
import { type Client, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, block, frame, head, headers, http2Client, settings, TYPE, u32 } from '../harness/http2-frames.ts'; // prettier-ignore
import { crowd, type Crowd } from '../harness/idle.ts';
import { startLoad } from '../harness/load.ts';
import { stats } from '../harness/metrics.ts';
import { startMesh, type TestMesh } from '../harness/mesh.ts';
import { startEcho } from '../harness/programs.ts';
import { raw } from '../harness/raw.ts';

const GATEWAY = 'weft-gateway';
const MIB = 1024 * 1024;

let mesh: TestMesh;
let admin: string;
let direct: string;
const open: (Client | Crowd)[] = [];

beforeAll(async () => {
  mesh = await startMesh();
  await startEcho(mesh, { service: 'echo', version: 'v1', name: 'echo' });
  await mesh.apply(edgeTo('echo'));
  await mesh.synced();
  admin = (await mesh.workload(GATEWAY)).adminAddress;
  direct = mesh.gateway;
});
afterAll(() => mesh?.[Symbol.asyncDispose]());
afterEach(async () => {
  for (const one of open.splice(0)) {
    if ('sockets' in one) await one.close();
    else one.socket.destroy();
  }
});

const client = async (address = '127.0.0.1', first?: Buffer): Promise<Client> => {
  const made = await http2Client(direct, address, first);
  open.push(made);
  return made;
};
const limits = (spec: string): string => `
apiVersion: weft.dev/v1
kind: ListenerLimits
metadata: { name: edge, namespace: weft-system }
spec: { selector: { matchLabels: { istio: ingressgateway } }, ${spec} }
`;
/** Sum of those counters that match. */
const counted = async (pattern: RegExp): Promise<number> =>
  (await stats(admin))
    .split('\n')
    .filter((line) => pattern.test(line))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(':') + 1)), 0);
const asked = async (part: string): Promise<number> => {
  const { seen } = JSON.parse((await http(`${direct}/seen`)).body) as { seen: readonly { url: string }[] };
  return seen.filter(({ url }) => url.includes(part)).length;
};
const some = (count: number, make: (i: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => make(i)));
const residentBytes = async (): Promise<number> => {
  const pid = (await mesh.workload(GATEWAY)).processes?.proxy ?? 0;
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
};

const resets = (path: string, count: number): Buffer =>
  some(count, (i) => Buffer.concat([headers(2 * i + 1, head(path)), frame(TYPE.reset, 0, 2 * i + 1, u32(8))]));
const opened = headers(1, head('/flood', 'POST'), false);

describe('SE-11 floods over HTTP/2', () => {
  it.each<readonly [what: string, counter: string, bytes: () => Buffer]>([
    ['b1 requests that are cut off at once', 'premature_reset_flood', () => resets('/cut-off', 5_000)],
    ['b2 requests that make us reset them', 'premature_reset_flood', () => some(5_000, (i) => Buffer.concat([headers(2 * i + 1, head('/cut-off', 'POST'), false), frame(TYPE.window, 0, 2 * i + 1, u32(0))]))],
    ['b3 a head without an end', 'continuation_flood', () => Buffer.concat([frame(TYPE.headers, 0, 1, block(head('/flood'))), some(50, () => frame(TYPE.continuation, 0, 1, block(['a:b'])))])],
    ['b3 a head of empty parts', 'continuation_flood', () => Buffer.concat([frame(TYPE.headers, 0, 1, block(head('/flood'))), some(50, () => frame(TYPE.continuation, 0, 1))])],
    ['b3 a head that is too large', 'header_overflow', () => Buffer.concat([frame(TYPE.headers, 0, 1, block(head('/flood'))), some(6, () => frame(TYPE.continuation, 0, 1, block([`a:${'x'.repeat(14_000)}`])))])],
    ['b5 PING', '(ping|outbound_control)_flood', () => some(20_000, () => frame(TYPE.ping, 0, 0, Buffer.alloc(8)))],
    ['b5 SETTINGS', '(settings|outbound_control)_flood', () => some(20_000, () => settings([4, 70_000]))],
    ['b5 RST_STREAM of what is over', 'closed_stream_flood', () => Buffer.concat([headers(1, head('/flood')), frame(TYPE.reset, 0, 1, u32(8)), some(20_000, () => frame(TYPE.reset, 0, 1, u32(8)))])],
    ['b6 DATA of nothing', 'empty_frames_flood', () => Buffer.concat([opened, some(200, () => frame(TYPE.data, 0, 1))])],
    ['b7 PRIORITY', 'priority_flood', () => some(20_000, () => frame(TYPE.priority, 0, 1, Buffer.from([0, 0, 0, 3, 1])))],
    ['b7 WINDOW_UPDATE', 'window_update_flood', () => Buffer.concat([opened, some(20_000, () => frame(TYPE.window, 0, 0, u32(1)))])],
    ['b20 a block that no table explains', 'compression_error', () => frame(TYPE.headers, END_HEADERS | END_STREAM, 1, Buffer.from([0xff, 0xff, 0xff, 0x7f]))],
  ])('SE-11 %s: the connection ends, which is counted, and others are served', async (_, counter, bytes) => {
    const name = new RegExp(`^http2\\.${counter}: `);
    const before = await counted(name);
    const one = await client();
    one.send(bytes());
    await one.until(() => one.goaway !== undefined || one.gone, 'the end of the connection');
    if (counter !== 'compression_error') expect([ENHANCE_YOUR_CALM, undefined]).toContain(one.goaway);
    expect(await counted(name)).toBe(before + 1);
    expect((await http(direct)).status).toBe(200);
  }); // prettier-ignore

  it('SE-11 b1 the application sees a bounded number of requests that were cut off', async () => {
    expect(await asked('/cut-off')).toBeLessThan(1_500);
  });

  it('SE-11 b4 fields that grow when they are read count by what they become', async () => {
    const one = await client();
    // One large value in the table, named again and again by one byte each.
    const value = 'x'.repeat(3_900);
    const into = Buffer.concat([Buffer.from([0x40, 1]), Buffer.from('a'), Buffer.from([127, (3_900 - 127) & 127 | 128, (3_900 - 127) >> 7]), Buffer.from(value)]); // prettier-ignore
    const bomb = Buffer.concat([block(head('/bomb')), into, Buffer.alloc(10_000, 0x80 | 62)]);
    one.send(frame(TYPE.headers, END_HEADERS | END_STREAM, 1, bomb), headers(3, head('/after')));
    await one.until(() => one.endOf(3) !== undefined || one.gone, 'the answer behind it');
    expect([await asked('/bomb'), one.endOf(3)]).toEqual([0, -1]);
  });

  it('SE-11 b8 clients that take nothing hold little of the gateway', async () => {
    const before = await residentBytes();
    for (let i = 0; i < 4; i += 1) {
      const one = await client('127.0.0.1', settings([4, 0]));
      one.send(some(100, (n) => headers(2 * n + 1, head('/?size=1000000'))));
      await one.until(
        () => one.frames.filter(({ type }) => type === TYPE.headers).length >= 90,
        'heads without bodies',
      );
    }
    // 400 answers of 1 MB.
    expect((await residentBytes()) - before).toBeLessThan(150 * MIB);
    expect((await http(direct)).status).toBe(200);
  });

  it('SE-11 b9 more streams than allowed are refused, and can be tried again', async () => {
    const before = await counted(/^http2\.refused_streams: /);
    const one = await client();
    one.send(some(130, (n) => headers(2 * n + 1, head('/waits', 'POST'), false)));
    await one.until(() => one.endOf(2 * 129 + 1) !== undefined, 'the refusal of the last');
    expect([one.endOf(2 * 129 + 1), (await counted(/^http2\.refused_streams: /)) - before]).toEqual([7, 30]);
    expect(one.goaway).toBeUndefined();
  });
});

describe('SE-11 requests of HTTP/2 that are none', () => {
  const GET = head('/smuggled');
  it.each<readonly [what: string, lines: readonly string[]]>([
    ['b11 no :path', [':method:GET', ':scheme:http', ':authority:h']],
    ['b11 two :path', [...GET, ':path:/smuggled']],
    ['b11 an empty :path', [':method:GET', ':scheme:http', ':path:', ':authority:h', 'x-p:/smuggled']],
    ['b11 one behind a field', [':method:GET', 'a:b', ':scheme:http', ':path:/smuggled', ':authority:h']],
    ['b11 one that nobody knows', [...GET, ':other:x']],
    ['b12 capitals', [...GET, 'X-Smuggled:1']],
    ['b12 a line end', [...GET, 'a:b\r\nGET /smuggled HTTP/1.1']],
    ['b12 NUL', [...GET, 'a:b\0']],
    ['b12 space around a value', [...GET, 'a: b ']],
    ['b13 connection', [...GET, 'connection:close']],
    ['b13 transfer-encoding', [...GET, 'transfer-encoding:chunked']],
    ['b13 te', [...GET, 'te:gzip']],
    ['b14 a space in :path', [':method:GET', ':scheme:http', ':path:/smuggled HTTP/1.1', ':authority:h']],
    ['b14 a request in :method', [':method:GET /smuggled HTTP/1.1', ':scheme:http', ':path:/', ':authority:h']],
    ['b14 a path in :authority', [':method:GET', ':scheme:http', ':path:/smuggled', ':authority:h/x']],
    ['b14 a user in :authority', [':method:GET', ':scheme:http', ':path:/smuggled', ':authority:u@h']],
    ['b15 another host', [...GET, 'host:other']],
    ['b16 a length that is none', [...GET, 'content-length:+1']],
  ])('SE-11 %s: refused, and the application sees nothing', async (_, lines) => {
    const one = await client();
    one.send(headers(1, lines), headers(3, head('/well')));
    await one.until(() => one.endOf(1) !== undefined && one.endOf(3) !== undefined, 'both ends');
    // PROTOCOL_ERROR, or an answer of 400.
    expect([1, -1]).toContain(one.endOf(1));
    expect([one.endOf(3), one.goaway, await asked('smuggled')]).toEqual([-1, undefined, 0]);
  });

  it('SE-11 b16 a body of another length, b17 trailers that end nothing: the request is cut', async () => {
    const one = await client();
    const post = [...head('/cut', 'POST'), 'content-length:5'];
    one.send(headers(1, post, false), frame(TYPE.data, END_STREAM, 1, Buffer.from('four')));
    one.send(headers(3, head('/cut', 'POST'), false), frame(TYPE.data, 0, 3, Buffer.from('x')));
    one.send(frame(TYPE.headers, END_HEADERS, 3, block(['a:b'])), headers(5, head('/well')));
    await one.until(() => one.endOf(1) !== undefined && one.endOf(3) !== undefined, 'both ends');
    expect([one.endOf(1), one.endOf(3)]).toEqual([1, 1]);
    await one.until(() => one.endOf(5) === -1, 'the answer to what is well');
  });

  it('SE-11 b18 a scheme in capitals is that scheme', async () => {
    const one = await client();
    one.send(headers(1, [':method:GET', ':scheme:HTTP', ':path:/scheme', ':authority:h']));
    await one.until(() => one.endOf(1) !== undefined, 'the answer');
    expect([one.endOf(1), await asked('/scheme')]).toEqual([-1, 1]);
  });
});

describe('SE-11 heads that are odd', () => {
  const get = (fields: string): Promise<string> =>
    raw(direct, `GET /odd HTTP/1.1\r\nHost: h\r\n${fields}Connection: close\r\n\r\n`);

  it('SE-11 a23 another expectation than 100-continue keeps nobody waiting', async () => {
    expect(await get('Expect: miracles\r\n')).toMatch(/^HTTP\/1.1 (?:200|417) /);
    const refused = `POST /odd HTTP/1.1\r\nHost: h\r\na_b: 1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n`;
    expect(await raw(direct, refused)).toMatch(/^HTTP\/1.1 400 (?![^]*HTTP\/1.1)[^]*connection: close/i);
  });

  it('SE-11 a29 what Connection names is dropped, but for what frames, routes and authorizes', async () => {
    const named = 'Connection: x-own, host, content-length, authorization, x-forwarded-for, x-request-id\r\n';
    const answer = await get(`${named}X-Own: 1\r\nAuthorization: Basic b3du\r\nX-Request-Id: kept\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 200 [^]*"host":"h"/);
    expect(answer).toContain('"authorization":"Basic b3du"');
    expect(answer).toMatch(
      /"x-forwarded-for":"[^"]+"[^]*"x-request-id":"[^"]+"|"x-request-id":"[^"]+"[^]*"x-forwarded-for":"[^"]+"/,
    );
    expect(answer).not.toContain('x-own":"1"');
  });

  it('SE-11 a32 names that mean something to JavaScript mean nothing here', async () => {
    const answer = await get('constructor: 2\r\ntoString: 3\r\nhasOwnProperty: 4\r\n');
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
    for (const name of ['"constructor":"2"', '"tostring":"3"', '"hasownproperty":"4"'])
      expect(answer.toLowerCase()).toContain(name);
    const { address, ports } = await mesh.workload('echo');
    const inside = await raw(
      `http://${address}:${ports[0]?.meshPort}`,
      'GET /odd HTTP/1.1\r\nHost: h\r\n__proto__: 1\r\nConnection: close\r\n\r\n',
    );
    expect(inside).toMatch(/^HTTP\/1.1 200 [^]*"__proto__","1"/);
    const one = await client();
    one.send(headers(1, [...head('/odd'), 'constructor:2']));
    await one.until(() => one.endOf(1) === -1, 'the answer');
  });
});

describe('RE-10 clients of a gateway', () => {
  afterEach(async () => {
    const done = await mesh.weft(['delete', '--wait', '30s', '-n', 'weft-system', 'listenerlimits/edge']);
    expect(done.code).toBe(0);
  });

  it('RE-10 come up to the limit of its port; the next waits or is refused, and comes in when there is room', async () => {
    await mesh.apply(limits('port: 8080, maxConnections: 20'));
    await waitFor(async () => (await counted(/^server\.total_connections: /)) === 0, { what: 'all that were before to be gone' });
    const held = await crowd(direct, 20);
    open.push(held);
    await waitFor(async () => (await counted(/^listener\..*\.accept_stopped\.active: /)) === 1, { what: 'the end of accepting' });
    const late = await crowd(direct, 30);
    open.push(late);
    await waitFor(() => late.open() === 0, { what: 'the refusal of all that waited' });
    expect(held.open()).toBe(20);
    expect(await counted(/^listener\..*\.downstream_cx_overflow: /)).toBeGreaterThanOrEqual(20);
    // Others of the mesh have limits of their own.
    const { address, ports } = await mesh.workload('echo');
    expect((await http(`http://${address}:${ports[0]?.meshPort}/`)).status).toBe(200);
    held.sockets.slice(0, 5).forEach((socket) => socket.destroy());
    await waitFor(async () => (await http(direct).catch(() => undefined))?.status === 200, { what: 'room' });
  }); // prettier-ignore

  it('RE-10 that flood are refused for a while, and never slow down others', async () => {
    await mesh.apply(limits('perAddress: { floods: 5, floodWindow: 60s, refuseFor: 5s }'));
    const neighbour = startLoad(direct, { connections: 4, everyMs: 20 });
    await neighbour.atLeast(20);
    for (let i = 0; i < 5; i += 1) {
      const one = await client('127.0.0.66');
      one.send(resets('/starving', 3_000));
      await one.until(() => one.gone || one.goaway !== undefined, 'the end of the flood');
    }
    const refused = await client('127.0.0.66');
    await refused.until(() => refused.gone, 'the refusal');
    expect(await counted(/^listener\..*\.downstream_cx_client_abuse_refused: /)).toBeGreaterThanOrEqual(1);
    await neighbour.atLeast(40);
    expect((await neighbour.stop()).failed).toEqual([]);
    await waitFor(
      async () => {
        const again = await client('127.0.0.66');
        again.send(headers(1, head('/forgiven')));
        await again.until(() => again.gone || again.endOf(1) !== undefined, 'an answer or none');
        return again.endOf(1) === -1;
      },
      { what: 'forgiveness', timeoutMs: 30_000 },
    );
  });

  it('RE-10 have so many connections from one address, and others have theirs', async () => {
    await mesh.apply(limits('perAddress: { maxConnections: 10, exempt: ["127.0.0.1/32"] }'));
    const greedy = await Promise.all(Array.from({ length: 15 }, () => client('127.0.0.77')));
    await waitFor(() => greedy.filter(({ gone }) => gone).length === 5, { what: 'the refusal of five' });
    const other = await client('127.0.0.78');
    other.send(headers(1, head('/other')));
    await other.until(() => other.endOf(1) === -1, 'the answer to another');
    expect((await http(direct)).status).toBe(200);
    expect(await counted(/^listener\..*\.downstream_cx_client_overflow: /)).toBe(5);
  });

  it('RE-10 send heads as large, and header names, as its limits say', async () => {
    const get = (fields: string): Promise<string> =>
      raw(direct, `GET /names HTTP/1.1\r\nHost: h\r\n${fields}Connection: close\r\n\r\n`);
    expect(await get('a_b: 1\r\n')).toMatch(/^HTTP\/1.1 400 [^]*x-weft-reason: underscored-header/);
    await mesh.apply(limits('http: { maxHeadersKb: 2, maxHeaders: 10, headersWithUnderscores: DROP }'));
    expect(await get('a_b: 1\r\na-b: 2\r\n')).toMatch(/^HTTP\/1.1 200 (?![^]*a_b)[^]*"a-b":"2"/);
    expect(await get(`a: ${'x'.repeat(1_900)}\r\n`)).toMatch(/^HTTP\/1.1 200 /);
    expect(await get(`a: ${'x'.repeat(2_100)}\r\n`)).toMatch(/^HTTP\/1.1 431 /);
    expect(await get('b: c\r\n'.repeat(8))).toMatch(/^HTTP\/1.1 200 /);
    expect(await get('b: c\r\n'.repeat(9))).toMatch(/^HTTP\/1.1 431 /);
    await mesh.apply(limits('http: { headersWithUnderscores: ALLOW }'));
    expect(await get('a_b: 1\r\n')).toMatch(/^HTTP\/1.1 200 [^]*"a_b":"1"/);
    const wrong = await mesh.weft(['apply', '-f', '-'], { input: limits('http: { headersWithUnderscores: SOME }') });
    expect([wrong.code, wrong.stderr + wrong.stdout]).toEqual([65, expect.stringMatching(/headersWithUnderscores/)]);
  });
});
