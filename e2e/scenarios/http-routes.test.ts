/** What routes do beside forwarding, seen by a caller: real sidecars and a gateway, configuration by `weft apply`. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '@weft/testkit';
import { EDGE } from '../harness/edge.ts';
import { http, keepAlive, many, type Answer } from '../harness/http.ts';
import { startMesh, type TestMesh } from '../harness/mesh.ts';
import { startEcho } from '../harness/programs.ts';
import { withinBinomial } from '../harness/statistics.ts';

interface Echo {
  readonly name: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

const echoOf = (answer: Answer): Echo => JSON.parse(answer.body) as Echo;
const run = promisify(execFile);

let mesh: TestMesh;
/** Where the client workload calls service echo. */
let echo: string;

beforeAll(async () => {
  mesh = await startMesh();
  await Promise.all([
    startEcho(mesh, { service: 'echo', version: 'v1' }),
    startEcho(mesh, { service: 'shadow', version: 'v1' }),
    startEcho(mesh, { service: 'shadow', version: 'v2' }),
    startEcho(mesh, { service: 'hangs', version: 'v1', env: { DELAY_MS: '3600000' } }),
  ]);
  await startEcho(mesh, { service: 'client', version: 'v1', name: 'client' });
  echo = await mesh.outbound('client', 'echo', 8000);
});
afterAll(() => mesh?.[Symbol.asyncDispose]());
afterEach(async () => {
  await mesh.delete('vs/echo');
});

/** A VirtualService for echo with these http routes. */
const routes = (http_: string, more = 'hosts: [echo]'): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: echo }
spec:
  ${more}
  http:
${http_.trim().replaceAll(/^/gm, '    ')}
`;
const TO_ECHO = 'route: [{ destination: { host: echo } }]';

const refusal = async (yaml: string): Promise<string> => {
  const { code, stderr } = await mesh.weft(['apply', '-f', '-'], { input: yaml });
  expect(code).toBe(65);
  return stderr;
};

describe('TR-06 redirect, rewrite, direct response', () => {
  it('TR-06 a redirect changes what it names and keeps the rest', async () => {
    await mesh.apply(
      routes(`
- { match: [{ uri: { exact: /authority } }], redirect: { authority: other.example } }
- { match: [{ uri: { exact: /uri } }], redirect: { uri: /new, redirectCode: 302 } }
- { match: [{ uri: { exact: /scheme } }], redirect: { scheme: https, redirectCode: 308 } }
- { match: [{ uri: { exact: /port } }], redirect: { port: 8443, scheme: https, redirectCode: 307 } }
- { match: [{ uri: { exact: /default } }], redirect: { derivePort: FROM_PROTOCOL_DEFAULT } }
- { match: [{ uri: { exact: /default-https } }], redirect: { scheme: https, derivePort: FROM_PROTOCOL_DEFAULT } }
- { match: [{ uri: { exact: /same-port } }], redirect: { authority: other.example, derivePort: FROM_REQUEST_PORT } }
- { match: [{ uri: { prefix: /v1/ } }], redirect: { prefixRewrite: /v2/, redirectCode: 303 } }
- { ${TO_ECHO} }
`),
    );
    const table: readonly (readonly [path: string, status: number, location: string])[] = [
      ['/authority?q=1', 301, 'http://other.example/authority?q=1'],
      ['/uri?q=1', 302, 'http://echo:8000/new?q=1'],
      ['/scheme', 308, 'https://echo:8000/scheme'],
      ['/port', 307, 'https://echo:8443/port'],
      ['/default', 301, 'http://echo/default'],
      ['/default-https', 301, 'https://echo/default-https'],
      ['/same-port', 301, 'http://other.example:8000/same-port'],
      ['/v1/items/7?x=y', 303, 'http://echo:8000/v2/items/7?x=y'],
    ];
    for (const [path, status, location] of table) {
      const answer = await http(`${echo}${path}`, { headers: { host: 'echo:8000' } });
      expect([path, answer.status, answer.headers['location'], answer.body]).toEqual([path, status, location, '']);
      expect(answer.headers).not.toHaveProperty('x-weft-reason');
    }
    expect((await http(`${echo}/other`)).status).toBe(200);
  });

  it('TR-06 a rewrite reaches the application, with the former path beside it', async () => {
    await mesh.apply(
      routes(`
- { match: [{ uri: { prefix: /api } }], rewrite: { uri: /internal }, ${TO_ECHO} }
- { match: [{ uri: { exact: /one } }], rewrite: { uri: /all/of/it, authority: renamed.example }, ${TO_ECHO} }
- match: [{ uri: { prefix: /users } }]
  rewrite: { uriRegexRewrite: { match: "/users/([0-9]+)/(.*)", rewrite: '/\\2/of/\\1' } }
  ${TO_ECHO}
- { match: [{ headers: { x-whole: {} } }], rewrite: { uri: /whole }, ${TO_ECHO} }
- { ${TO_ECHO} }
`),
    );
    const seen = async (path: string, headers: Record<string, string> = {}) => {
      const { url, headers: got } = echoOf(
        await http(`${echo}${path}`, { headers: { host: 'echo:8000', ...headers } }),
      );
      return [url, got['host'], got['x-envoy-original-path']];
    };
    expect(await seen('/api/x?q=1')).toEqual(['/internal/x?q=1', 'echo:8000', '/api/x?q=1']);
    expect(await seen('/one?q=1')).toEqual(['/all/of/it?q=1', 'renamed.example', '/one?q=1']);
    expect(await seen('/users/42/orders?sort=up')).toEqual([
      '/orders/of/42?sort=up',
      'echo:8000',
      '/users/42/orders?sort=up',
    ]);
    expect(await seen('/anything/else', { 'x-whole': '1' })).toEqual(['/whole', 'echo:8000', '/anything/else']);
    expect(await seen('/untouched')).toEqual(['/untouched', 'echo:8000', undefined]);
    // What a caller invents of the former path is not believed.
    expect(await seen('/untouched', { 'x-envoy-original-path': '/forged' })).toEqual([
      '/untouched',
      'echo:8000',
      undefined,
    ]);
  });

  it('TR-06 a direct response has its status, body byte for byte, and headers; the application hears nothing', async () => {
    const bytes = Buffer.from([0, 0xff, 0xc3, 0x28, 0x0d, 0x0a]);
    await mesh.apply(
      `${routes(
        `
- match: [{ uri: { exact: /text } }]
  directResponse: { status: 418, body: { string: "a teapot äöü" } }
  headers: { response: { set: { content-type: "text/html", x-from: mesh } } }
- { match: [{ uri: { exact: /bytes } }], directResponse: { status: 200, body: { bytes: "${bytes.toString('base64')}" } } }
- { match: [{ uri: { exact: /nothing } }], directResponse: { status: 204 } }
- { ${TO_ECHO} }
`,
        'hosts: [echo, shop.example]\n  gateways: [mesh, edge]',
      )}---${EDGE}`,
    );
    const text = await http(`${echo}/text`);
    expect([text.status, text.body, text.headers['content-type'], text.headers['x-from']]).toEqual([
      418,
      'a teapot äöü',
      'text/html',
      'mesh',
    ]);
    expect(text.headers).not.toHaveProperty('x-weft-reason');
    const empty = await http(`${echo}/nothing`);
    expect([empty.status, empty.body, empty.headers['content-length']]).toEqual([204, '', undefined]);
    // By a client of other make, through the gateway.
    const { stdout } = await run(
      'curl',
      ['-sS', '-i', '--max-time', '10', '-H', 'host: shop.example', `${mesh.gateway}/bytes`],
      { encoding: 'buffer' },
    );
    const end = stdout.indexOf('\r\n\r\n');
    expect(stdout.subarray(0, end).toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n(?:.*\r\n)*content-length: 6/i);
    expect(stdout.subarray(end + 4)).toEqual(bytes);
    const head = await http(`${echo}/text`, { method: 'HEAD' });
    expect([head.status, head.body, head.headers['content-length']]).toEqual([418, '', '15']);
    await mesh.delete('gateway/edge');
  });

  it('TR-06 what can not be said in a request, or is said twice, is refused at apply', async () => {
    expect(await refusal(routes(`- { redirect: { uri: "/a b" } }`))).toContain('redirect.uri');
    expect(await refusal(routes(`- { redirect: { port: 80, derivePort: FROM_REQUEST_PORT } }`))).toContain('redirect');
    expect(await refusal(routes(`- { match: [{ uri: { exact: /a } }], redirect: { prefixRewrite: /b } }`))).toContain(
      'prefixRewrite',
    );
    expect(await refusal(routes(`- { directResponse: { status: 99 } }`))).toContain('directResponse.status');
    expect(await refusal(routes(`- { directResponse: { status: 200, body: { bytes: "???" } } }`))).toContain(
      'directResponse.body.bytes',
    );
  });
});

describe('TR-08 CORS', () => {
  const cors = (more = ''): string =>
    routes(`
- corsPolicy:
    allowOrigins: [{ exact: "https://a.example" }, { prefix: "https://dev." }, { regex: "https://[a-z]+[.]b[.]example" }]
    allowMethods: [GET, PUT]
    allowHeaders: [x-token, content-type]
    exposeHeaders: [x-app]
    maxAge: 24h
    allowCredentials: true${more}
  ${TO_ECHO}
`);
  const preflight = (origin: string): Promise<Answer> =>
    http(`${echo}/`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'x-token' },
    });

  it('TR-08 preflights of allowed origins are answered by the sidecar, and the requests after them are marked', async () => {
    await mesh.apply(cors());
    for (const origin of ['https://a.example', 'https://dev.anything', 'https://www.b.example']) {
      const { status, headers, body } = await preflight(origin);
      expect([status, body]).toEqual([200, '']);
      expect(headers).toMatchObject({
        'access-control-allow-origin': origin,
        'access-control-allow-methods': 'GET,PUT',
        'access-control-allow-headers': 'x-token,content-type',
        'access-control-max-age': '86400',
        'access-control-allow-credentials': 'true',
      });
      const actual = await http(`${echo}/`, { headers: { origin } });
      expect(echoOf(actual).name).toBe('echo');
      expect(actual.headers).toMatchObject({
        'access-control-allow-origin': origin,
        'access-control-expose-headers': 'x-app',
        'access-control-allow-credentials': 'true',
      });
      expect(actual.headers).not.toHaveProperty('access-control-allow-methods');
    }
  });

  it('TR-08 other origins get no permission: their preflight goes to the application, or is answered when that is wanted', async () => {
    await mesh.apply(cors());
    for (const origin of ['https://a.example.evil', 'http://a.example', 'https://a.b.example.evil']) {
      const forwarded = await preflight(origin);
      expect(echoOf(forwarded).name).toBe('echo');
      expect(forwarded.headers).not.toHaveProperty('access-control-allow-origin');
    }
    await mesh.apply(cors('\n    unmatchedPreflights: IGNORE'));
    const ignored = await preflight('https://a.example.evil');
    expect([ignored.status, ignored.headers['x-weft-reason']]).toEqual([200, 'cors-origin-refused']);
    expect(ignored.headers).not.toHaveProperty('access-control-allow-origin');
    const actual = await http(`${echo}/`, { headers: { origin: 'https://a.example.evil' } });
    expect(echoOf(actual).name).toBe('echo');
    expect(actual.headers).not.toHaveProperty('access-control-allow-origin');
  });

  it('TR-08 a method that is none and an age of parts of a second are refused at apply', async () => {
    const bad = (policy: string): string => routes(`- { corsPolicy: { ${policy} }, ${TO_ECHO} }`);
    expect(await refusal(bad('allowMethods: [FETCH]'))).toContain('allowMethods');
    expect(await refusal(bad('maxAge: 1500ms'))).toContain('maxAge');
  });
});

describe('TR-09 mirroring', () => {
  interface Seen {
    readonly calls: number;
    readonly seen: readonly {
      readonly method: string;
      readonly url: string;
      readonly host: string;
      readonly bytes: number;
    }[];
  }
  const SUBSETS = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: shadow }
spec:
  host: shadow
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]
`;
  /** Not through the mesh, so that asking is no call. */
  const seenBy = async (version: string): Promise<Seen> => {
    const { ports } = await mesh.workload(`shadow-${version}`);
    const [port] = ports;
    return JSON.parse((await http(`http://${port?.appAddress}:${port?.appPort}/seen`)).body) as Seen;
  };
  const counter = async (name: string): Promise<number> => {
    const { adminAddress } = await mesh.workload('client');
    const { body } = await http(`http://${adminAddress}/stats?filter=${encodeURIComponent(`mirror[.]${name}$`)}`);
    return body
      .split('\n')
      .reduce((sum, line) => sum + (line === '' ? 0 : Number(line.slice(line.lastIndexOf(' ')))), 0);
  };
  const agreed = (what: string, check: () => Promise<boolean>): Promise<unknown> =>
    waitFor(check, { what, timeoutMs: 20_000 });

  it('TR-09 a mirror gets each request with its body, under its own host, and its answers go nowhere', async () => {
    await mesh.apply(`${SUBSETS}---${routes(`- { mirror: { host: shadow, subset: v1 }, ${TO_ECHO} }`)}`);
    const body = 'm'.repeat(200_000);
    const answers = await many(40, (i) =>
      http(`${echo}/copy/${i}?status=200`, { method: 'POST', body, headers: { host: 'echo:8000' } }),
    );
    expect(answers.every((answer) => answer.status === 200 && echoOf(answer).name === 'echo')).toBe(true);
    await agreed('40 copies', async () => (await seenBy('v1')).seen.length === 40);
    const { seen } = await seenBy('v1');
    expect(new Set(seen.map(({ url }) => url))).toEqual(new Set(answers.map((_, i) => `/copy/${i}?status=200`)));
    expect(
      seen.every(({ method, host, bytes }) => method === 'POST' && host === 'echo:8000' && bytes === 200_000),
    ).toBe(true);
    // A mirror that answers 500 is nobody's failure.
    expect((await http(`${echo}/?status=200`)).status).toBe(200);
  });

  it('TR-09 several mirrors get each their share', async () => {
    const before = [(await seenBy('v1')).calls, (await seenBy('v2')).calls] as const;
    await mesh.apply(
      routes(`
- mirrors:
    - { destination: { host: shadow, subset: v1 } }
    - { destination: { host: shadow, subset: v2 }, percentage: { value: 25 } }
    - { destination: { host: echo }, percentage: { value: 0 } }
  ${TO_ECHO}
`),
    );
    const count = echoCalls(await http(`${echo}/`));
    const answers = await many(1000, () => http(`${echo}/`));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(echoCalls(await http(`${echo}/`)) - count).toBe(1001);
    await agreed('1002 copies', async () => (await seenBy('v1')).calls - before[0] === 1002);
    await agreed('as many answers as copies', async () => (await counter('answered')) === (await counter('sent')));
    expect(withinBinomial((await seenBy('v2')).calls - before[1], 1002, 0.25)).toBe(true);
  });

  it('TR-09 mirrors that hang, are down or do not exist touch no caller, and are counted', async () => {
    await mesh.apply(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: down }
spec:
  hosts: [down.example]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{ number: 8000, name: http, protocol: HTTP }]
  endpoints: [{ address: 127.0.0.1, ports: { http: 1 } }]
---
${routes(`
- timeout: 1s
  mirrors:
    - { destination: { host: hangs } }
    - { destination: { host: down.example } }
    - { destination: { host: nobody } }
  ${TO_ECHO}
`)}`);
    const answers = await many(200, (i) =>
      i % 2 === 0 ? http(`${echo}/`) : http(`${echo}/`, { method: 'POST', body: 'x'.repeat(100_000) }),
    );
    expect(answers.every((answer) => answer.status === 200 && echoOf(answer).name === 'echo')).toBe(true);
    await agreed('the ones that hang are given up', async () => (await counter('timed_out')) === 200);
    await agreed('the ones that are down have failed', async () => (await counter('failed')) === 200);
    // The log has one line per request: copies are none.
    const { stdout } = await mesh.weft(['logs', 'client', '--proxy', '--tail', '2000']);
    expect(stdout).not.toMatch(/outbound\|8000\|\|(hangs|down)/);
    await mesh.delete('serviceentry/down');
  });

  it('TR-09 two ways of saying it, and a share that is none, are refused at apply', async () => {
    expect(
      await refusal(routes(`- { mirror: { host: shadow }, mirrors: [{ destination: { host: shadow } }], ${TO_ECHO} }`)),
    ).toContain('mirror');
    expect(
      await refusal(
        routes(`- { mirrors: [{ destination: { host: shadow }, percentage: { value: 101 } }], ${TO_ECHO} }`),
      ),
    ).toContain('percentage');
  });
});

describe('RE-11 local rate limit', () => {
  afterEach(async () => {
    await mesh.delete('localratelimit/echo');
  });
  const limit = (spec: string, selected = 'app: echo'): string => `
apiVersion: weft.dev/v1
kind: LocalRateLimit
metadata: { name: echo }
spec:
  selector: { matchLabels: { ${selected} } }
  limits:
${spec.trim().replaceAll(/^/gm, '    ')}
`;
  // Long, so that nothing fills while a test runs.
  const bucket = (tokens: number): string => `tokenBucket: { maxTokens: ${tokens}, fillInterval: 3600s }`;
  const statuses = async (count: number, call: () => Promise<Answer>): Promise<number[]> => {
    const answers: number[] = [];
    for (let i = 0; i < count; i += 1) answers.push((await call()).status);
    return answers;
  };

  it('RE-11 a workload takes a burst and answers 429 beyond it, with a reason, to whoever calls', async () => {
    await mesh.apply(
      limit(`- { port: 8000, ${bucket(5)}, rateLimitHeaders: true, responseHeaders: { x-policy: few } }`),
    );
    const agent = keepAlive();
    const answers = await many(20, () => http(`${echo}/`, { agent }));
    agent.destroy();
    const [passed, over] = [200, 429].map((status) => answers.filter((answer) => answer.status === status));
    expect([passed?.length, over?.length]).toEqual([5, 15]);
    expect(passed?.every(({ headers }) => headers['x-ratelimit-limit'] === '5')).toBe(true);
    for (const { headers, body } of over ?? []) {
      expect(body).toBe('local_rate_limited');
      expect(headers).toMatchObject({
        'x-weft-reason': 'rate-limited',
        'x-envoy-ratelimited': 'true',
        'x-ratelimit-remaining': '0',
        'x-policy': 'few',
      });
    }
    // The server's own log says why, and another port's limit is another's.
    await waitFor(
      async () => {
        const { stdout } = await mesh.weft(['logs', 'echo-v1', '--proxy', '--tail', '200']);
        return stdout.match(/" 429 RL local_rate_limited /g)?.length === 15;
      },
      { what: 'the log of all that were refused', timeoutMs: 20_000 },
    );
    await mesh.apply(limit(`- { port: 8001, ${bucket(1)} }`));
    expect(await statuses(3, () => http(`${echo}/`))).toEqual([200, 200, 200]);
  });

  it('RE-11 the bucket fills again, and no configuration beside it fills it', async () => {
    await mesh.apply(limit(`- { tokenBucket: { maxTokens: 2, tokensPerFill: 2, fillInterval: 3s } }`));
    const first = await statuses(3, () => http(`${echo}/`));
    expect(first).toEqual([200, 200, 429]);
    await waitFor(async () => (await http(`${echo}/`)).status === 200, { what: 'a token', timeoutMs: 20_000 });
    await mesh.apply(limit(`- { ${bucket(2)} }`));
    expect(await statuses(3, () => http(`${echo}/`))).toEqual([200, 200, 429]);
    await mesh.apply(routes(`- { timeout: 9s, ${TO_ECHO} }`));
    expect(await statuses(2, () => http(`${echo}/`))).toEqual([429, 429]);
  });

  it('RE-11 descriptors have buckets of their own', async () => {
    await mesh.apply(
      limit(`
- tokenBucket: { maxTokens: 100, fillInterval: 3600s }
  rateLimits: [{ actions: [{ requestHeader: { name: x-user, key: user } }] }]
  descriptors: [{ entries: [{ key: user, value: jason }], ${bucket(2)} }]
`),
    );
    const as = (user: string) => () => http(`${echo}/`, { headers: { 'x-user': user } });
    expect(await statuses(3, as('jason'))).toEqual([200, 200, 429]);
    expect(await statuses(4, as('anna'))).toEqual([200, 200, 200, 200]);
  });

  it('RE-11 a limit of a named route holds for it alone, in the caller and at the gateway', async () => {
    const named = (gateways: string): string =>
      routes(
        `- { name: slow, match: [{ uri: { prefix: /slow } }], ${TO_ECHO} }\n- { name: rest, ${TO_ECHO} }`,
        `hosts: [echo, shop.example]\n  gateways: ${gateways}`,
      );
    await mesh.apply(
      `${named('[mesh, edge]')}---${EDGE}---${limit(`- { routes: [slow], ${bucket(2)} }`, 'app: client')}`,
    );
    expect(await statuses(3, () => http(`${echo}/slow`))).toEqual([200, 200, 429]);
    expect(await statuses(3, () => http(`${echo}/quick`))).toEqual([200, 200, 200]);
    // The gateway is not selected, until it is.
    const through = () => http(`${mesh.gateway}/slow`, { headers: { host: 'shop.example' } });
    expect(await statuses(4, through)).toEqual([200, 200, 200, 200]);
    await mesh.apply(
      limit(`- { routes: [slow], ${bucket(1)} }`, 'istio: ingressgateway').replace(
        'name: echo }',
        'name: edge, namespace: weft-system }',
      ),
    );
    expect(await statuses(2, through)).toEqual([200, 429]);
    await mesh.delete('gateway/edge');
    await mesh.weft(['delete', '-n', 'weft-system', 'localratelimit/edge']);
  });

  it('RE-11 a limit that is not enforced only marks, and one that limits nothing is refused', async () => {
    await mesh.apply(limit(`- { ${bucket(1)}, enforced: { value: 0 }, requestHeaders: { x-over: "yes" } }`));
    const seen = [await http(`${echo}/`), await http(`${echo}/`)].map((answer) => echoOf(answer).headers['x-over']);
    expect(seen).toEqual([undefined, 'yes']);
    expect(await refusal(limit(`- { port: 8000 }`))).toContain('tokenBucket');
    expect(await refusal(limit(`- { tokenBucket: { maxTokens: 1, fillInterval: 1ms } }`))).toContain('fillInterval');
  });
});

describe('RE-04 faults of every kind', () => {
  it('RE-04 an abort by gRPC status answers as gRPC does, for its share of the calls', async () => {
    await mesh.apply(
      routes(`- { fault: { abort: { grpcStatus: RESOURCE_EXHAUSTED, percentage: { value: 30 } } }, ${TO_ECHO} }`),
    );
    const agent = keepAlive();
    const answers = await many(1000, () => http(`${echo}/`, { agent }));
    agent.destroy();
    const aborted = answers.filter(({ headers }) => headers['grpc-status'] !== undefined);
    expect(new Set(aborted.map(({ status, headers }) => `${status} ${headers['grpc-status']}`))).toEqual(
      new Set(['200 8']),
    );
    expect(withinBinomial(aborted.length, 1000, 0.3)).toBe(true);
  });

  it('RE-04 delay and abort on one route are drawn apart, and both show in the log', async () => {
    const both =
      'delay: { fixedDelay: 50ms, percentage: { value: 40 } }, abort: { httpStatus: 555, percentage: { value: 50 } }';
    await mesh.apply(
      routes(`- { match: [{ uri: { prefix: /both } }], fault: { ${both} }, ${TO_ECHO} }\n- { ${TO_ECHO} }`),
    );
    const answers = await many(400, () => http(`${echo}/both`));
    const aborted = answers.filter(({ status }) => status === 555).length;
    expect(withinBinomial(aborted, 400, 0.5)).toBe(true);
    const count = async (what: RegExp): Promise<number> => {
      const { stdout } = await mesh.weft(['logs', 'client', '--proxy', '--tail', '2000']);
      return stdout.split('\n').filter((line) => line.includes('"GET /both ') && what.test(line)).length;
    };
    await waitFor(async () => (await count(/./)) === 400, { what: 'every line', timeoutMs: 20_000 });
    expect(withinBinomial(await count(/ (DI|DI,FI) /), 400, 0.4)).toBe(true);
    expect(withinBinomial(await count(/ 555 DI,FI /), 400, 0.2)).toBe(true);
    expect(await count(/ 555 /)).toBe(aborted);
  });

  it('RE-04 a fault without a share injects nothing; one of no kind, or of a share above all, is refused', async () => {
    await mesh.apply(routes(`- { fault: { abort: { httpStatus: 500 }, delay: { fixedDelay: 10s } }, ${TO_ECHO} }`));
    expect((await http(`${echo}/`)).status).toBe(200);
    expect(await refusal(routes(`- { fault: { abort: { http2Error: x } }, ${TO_ECHO} }`))).toContain('http2Error');
    expect(
      await refusal(routes(`- { fault: { abort: { httpStatus: 500, percentage: { value: 101 } } }, ${TO_ECHO} }`)),
    ).toContain('percentage');
  });
});

const echoCalls = (answer: Answer): number => (JSON.parse(answer.body) as { calls: number }).calls;
