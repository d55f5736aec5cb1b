/** OB-11: each way in which the mesh itself fails a request has a name of its own, at the caller and in the log. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '@weft/testkit';
import { foreignCertificate } from '../harness/certificates.ts';
import { http, many, type Answer } from '../harness/http.ts';
import { startMesh, type TestMesh } from '../harness/mesh.ts';
import { programPath, startEcho } from '../harness/programs.ts';
import { raw, rawReset } from '../harness/raw.ts';

let mesh: TestMesh;
/** Where the client workload calls each. */
let echo: string;
let unruly: string;
let frozen: string;
const applied: string[] = [];
/** `reason status flag` of all that was seen. */
const seen = new Map<string, string>();

beforeAll(async () => {
  mesh = await startMesh();
  await Promise.all([
    startEcho(mesh, { service: 'echo', version: 'v1' }),
    startEcho(mesh, { service: 'frozen', version: 'v1' }),
    mesh.run([
      '--service=unruly',
      '--port=8000',
      '--health-path=/health',
      '--',
      process.execPath,
      programPath('unruly.mjs'),
    ]),
  ]);
  await startEcho(mesh, { service: 'client', version: 'v1', name: 'client' });
  await mesh.apply(STRICT);
  [echo, unruly, frozen] = (await Promise.all(
    ['echo', 'unruly', 'frozen'].map((service) => mesh.outbound('client', service, 8000)),
  )) as [string, string, string];
});
afterAll(() => mesh?.[Symbol.asyncDispose]());
afterEach(async () => {
  for (const target of applied.splice(0)) await mesh.delete(target);
});

const STRICT = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: STRICT } }
`;

async function apply(target: string, yaml: string): Promise<void> {
  applied.push(target);
  await mesh.apply(yaml);
}

const route = (host: string, http_: string): Promise<void> =>
  apply(
    `vs/${host}`,
    `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${host} }
spec:
  hosts: [${host}]
  http:
    - { ${http_} }
`,
  );

const destination = (host: string, spec: string): Promise<void> =>
  apply(
    `dr/${host}`,
    `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${host} }
spec: { host: ${host}, ${spec} }
`,
  );

const to = (host: string, subset?: string): string =>
  `route: [{ destination: { host: ${host}${subset === undefined ? '' : `, subset: ${subset}`} } }]`;

/** What a proxy has written since. */
function logOf(workload: string): { lines(): string[] } {
  const path = join(mesh.state, 'logs', `${workload}.default.proxy.log`);
  const start = statSync(path).size;
  return { lines: () => readFileSync(path).subarray(start).toString('utf8').split('\n') };
}

interface Expected {
  readonly status: number;
  readonly flag: string;
  readonly reason: string;
  /** Its log shows the flag; default: the client's. */
  readonly at?: string;
}

/** Does it, and finds the same story in the answer and in the log of the proxy that made it. */
async function fails(expected: Expected, act: () => Promise<Answer>): Promise<Answer> {
  const { status, flag, reason, at = 'client' } = expected;
  const log = logOf(at);
  const answer = await act();
  expect([answer.status, answer.headers['x-weft-reason'], answer.body]).toEqual([status, reason, expect.any(String)]);
  await logged(log, `" ${status} ${flag} `, reason);
  seen.set(reason, `${status} ${flag}`);
  return answer;
}

/** The line with this in it. @throws with all lines when there is none in time. */
async function logged(log: ReturnType<typeof logOf>, part: string | RegExp, what: string): Promise<string> {
  const fits = (line: string): boolean => (typeof part === 'string' ? line.includes(part) : part.test(line));
  try {
    return await waitFor(() => log.lines().find(fits), { timeoutMs: 5_000, what });
  } catch (error) {
    throw new Error(`no line with ${part} (${what}) in the log:\n${log.lines().join('\n')}`, { cause: error });
  }
}

describe('OB-11 configuration that leads nowhere', () => {
  it('OB-11 no-route: no route matches', async () => {
    await route('echo', `match: [{ uri: { exact: /only } }], ${to('echo')}`);
    await fails({ status: 404, flag: 'NR', reason: 'no-route' }, () => http(`${echo}/elsewhere`));
    expect((await http(`${echo}/only`)).status).toBe(200);
  });

  it('OB-11 cluster-not-found: a subset that is not defined', async () => {
    await route('echo', to('echo', 'missing'));
    await fails({ status: 503, flag: 'NC', reason: 'cluster-not-found' }, () => http(`${echo}/`));
  });

  it('OB-11 no-healthy-upstream: a subset without workloads', async () => {
    await destination('echo', 'subsets: [{ name: v9, labels: { version: v9 } }]');
    await route('echo', to('echo', 'v9'));
    await fails({ status: 503, flag: 'UH', reason: 'no-healthy-upstream' }, () => http(`${echo}/`));
  });

  it('OB-11 fault-abort: a fault that was asked for', async () => {
    await route('echo', `fault: { abort: { httpStatus: 503, percentage: { value: 100 } } }, ${to('echo')}`);
    await fails({ status: 503, flag: 'FI', reason: 'fault-abort' }, () => http(`${echo}/`));
  });

  it('OB-11 rbac-denied: a policy at the server', async () => {
    await apply(
      'authorizationpolicy/echo',
      `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: echo }
spec:
  selector: { matchLabels: { app: echo } }
  action: DENY
  rules: [{ to: [{ operation: { paths: [/secret] } }] }]
`,
    );
    await fails({ status: 403, flag: '-', reason: 'rbac-denied', at: 'echo-v1' }, () => http(`${echo}/secret`));
    expect((await http(`${echo}/open`)).status).toBe(200);
  });
});

describe('OB-11 policies of a route', () => {
  it('OB-11 rate-limited: more requests than a limit lets pass', async () => {
    await apply(
      'localratelimit/echo',
      `
apiVersion: weft.dev/v1
kind: LocalRateLimit
metadata: { name: echo }
spec:
  selector: { matchLabels: { app: echo } }
  limits: [{ tokenBucket: { maxTokens: 1, fillInterval: 3600s } }]
`,
    );
    expect((await http(`${echo}/`)).status).toBe(200);
    await fails({ status: 429, flag: 'RL', reason: 'rate-limited', at: 'echo-v1' }, () => http(`${echo}/`));
  });

  it('OB-11 cors-origin-refused: a preflight of an origin that is not allowed', async () => {
    const cors = 'corsPolicy: { allowOrigins: [{ exact: "https://a.example" }], unmatchedPreflights: IGNORE }';
    await route('echo', `${cors}, ${to('echo')}`);
    await fails({ status: 200, flag: '-', reason: 'cors-origin-refused' }, () =>
      http(`${echo}/`, {
        method: 'OPTIONS',
        headers: { origin: 'https://b.example', 'access-control-request-method': 'PUT' },
      }),
    );
  });

  it('OB-11 what a mirror suffers is no failure of the request', async () => {
    await route('echo', `mirrors: [{ destination: { host: nobody } }], ${to('echo')}`);
    const log = logOf('client');
    const answer = await http(`${echo}/mirrored?status=503`);
    expect([answer.status, answer.headers['x-weft-reason'], answer.headers['x-app']]).toEqual([503, undefined, 'echo']);
    expect(await logged(log, '/mirrored', 'the request')).toMatch(/" 503 - via_upstream /);
  });
});

describe('OB-11 upstreams that fail', () => {
  it('OB-11 upstream-closed: the application cuts the connection before it answers', async () => {
    await fails({ status: 503, flag: 'UC', reason: 'upstream-closed', at: 'echo-v1' }, () =>
      http(`${echo}/?reset=1`, { method: 'POST', body: 'once' }),
    );
  });

  it('OB-11 upstream-protocol-error: the application answers no HTTP', async () => {
    await fails({ status: 502, flag: 'UPE', reason: 'upstream-protocol-error', at: 'unruly-v1' }, () =>
      http(`${unruly}/garbage`, { method: 'POST', body: 'once' }),
    );
  });

  it('OB-11 upstream-response-cut: the application ends inside its body', async () => {
    const log = logOf('unruly-v1');
    await expect(http(`${unruly}/cut`)).rejects.toThrow(/aborted|hang up|ECONNRESET/);
    expect(await logged(log, 'upstream_reset_after_response_started', 'the cut')).toMatch(/" 200 UC /);
    seen.set('upstream-response-cut', '200 UC');
  });

  it('OB-11 route-timeout: the answer takes longer than the route allows', async () => {
    await route('echo', `timeout: 300ms, ${to('echo')}`);
    await fails({ status: 504, flag: 'UT', reason: 'route-timeout' }, () => http(`${echo}/?delay=3000`));
  });

  it('OB-11 per-try-timeout: each try takes too long', async () => {
    await route('echo', `timeout: 5s, retries: { attempts: 1, perTryTimeout: 200ms, retryOn: 5xx }, ${to('echo')}`);
    await fails({ status: 504, flag: 'UT,URX', reason: 'per-try-timeout' }, () => http(`${echo}/?delay=30000`));
  });

  it('OB-11 upstream-overflow: more at once than the pool allows', async () => {
    const pool = '{ tcp: { maxConnections: 1 }, http: { http1MaxPendingRequests: 1 } }';
    await destination('echo', `trafficPolicy: { connectionPool: ${pool} }`);
    const log = logOf('client');
    const answers = await many(6, () => http(`${echo}/?delay=500`), 6);
    const over = answers.filter(({ status }) => status === 503);
    expect(over.length).toBeGreaterThanOrEqual(1);
    expect(new Set(over.map(({ headers }) => headers['x-weft-reason']))).toEqual(new Set(['upstream-overflow']));
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(1);
    await logged(log, '" 503 UO ', 'overflow');
    seen.set('upstream-overflow', '503 UO');
  });

  it('OB-11 upstream-identity-mismatch: the server is somebody else than the rule names', async () => {
    const { address, ports } = await mesh.inside('echo-v1');
    await apply(
      'serviceentry/impostor',
      `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: impostor }
spec:
  hosts: [impostor.example]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 8000, name: http, protocol: HTTP }]
  endpoints:
    - address: ${address}
      ports: { http: ${ports[0]?.meshPort} }
      labels: { security.istio.io/tlsMode: istio }
      serviceAccount: somebody-else
`,
    );
    const byHost = await mesh.byHost('client', 8000);
    await fails({ status: 503, flag: 'UF,URX', reason: 'upstream-identity-mismatch' }, () =>
      http(`${byHost}/`, { headers: { host: 'impostor.example:8000' } }),
    );
  });

  it('OB-11 upstream-tls-failure: the server speaks no TLS', async () => {
    await destination('unruly', 'trafficPolicy: { tls: { mode: ISTIO_MUTUAL } }');
    await route('unruly', `retries: { attempts: 0 }, ${to('unruly')}`);
    await apply(
      'peerauthentication/unruly',
      `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: unruly }
spec: { selector: { matchLabels: { app: unruly } }, mtls: { mode: DISABLE } }
`,
    );
    await fails({ status: 503, flag: 'UF', reason: 'upstream-tls-failure' }, () => http(`${unruly}/`));
  });

  it('OB-11 upstream-connect-timeout: the server takes the connection and says nothing', async () => {
    await destination('frozen', 'trafficPolicy: { connectionPool: { tcp: { connectTimeout: 300ms } } }');
    await route('frozen', `retries: { attempts: 0 }, ${to('frozen')}`);
    const proxy = (await mesh.workload('frozen-v1')).processes?.proxy ?? 0;
    process.kill(proxy, 'SIGSTOP');
    try {
      await fails({ status: 503, flag: 'UF', reason: 'upstream-connect-timeout' }, () => http(`${frozen}/`));
    } finally {
      process.kill(proxy, 'SIGCONT');
    }
  });
});

describe('OB-11 requests that are none', () => {
  const head = (line: string, ...fields: string[]): string => [line, ...fields, '', ''].join('\r\n');

  it.for<readonly [reason: string, status: number, bytes: string]>([
    ['bad-request', 400, head('GET / HTTP/1.1', 'host: echo', 'no colon here')],
    ['missing-host', 400, head('GET / HTTP/1.1', 'accept: */*')],
    [
      'ambiguous-framing',
      400,
      `${head('POST / HTTP/1.1', 'host: echo', 'content-length: 3', 'transfer-encoding: chunked')}0\r\n\r\n`,
    ],
    ['unsupported-transfer-coding', 501, head('POST / HTTP/1.1', 'host: echo', 'transfer-encoding: gzip')],
    ['unsupported-version', 505, head('GET / HTTP/3.0', 'host: echo')],
    ['uri-too-long', 414, head(`GET /${'x'.repeat(100_000)} HTTP/1.1`, 'host: echo')],
    ['headers-too-large', 431, head('GET / HTTP/1.1', 'host: echo', `x-large: ${'x'.repeat(100_000)}`)],
    ['path-normalization-failed', 400, head('GET /%00/x HTTP/1.1', 'host: echo')],
  ])('OB-11 %s is refused with %i', async ([reason, status, bytes], { skip }) => {
    if (mesh.isolated && NOT_SEEN_AS_HTTP.includes(reason))
      skip('where connections are captured, what does not begin as HTTP/1 does is carried as plain TCP');
    await fails({ status, flag: 'DPE', reason }, async () => parsed(await raw(echo, bytes)));
  });

  it('OB-11 connect-refused: no tunnels here', async () => {
    const bytes = head('CONNECT echo:8000 HTTP/1.1', 'host: echo:8000');
    await fails({ status: 405, flag: '-', reason: 'connect-refused' }, async () => parsed(await raw(echo, bytes)));
  });

  it('OB-11 upgrade-refused: an upgrade that no listener takes', async () => {
    const bytes = head('GET / HTTP/1.1', 'host: echo', 'connection: upgrade', 'upgrade: telepathy');
    await fails({ status: 403, flag: '-', reason: 'upgrade-refused' }, async () => parsed(await raw(echo, bytes)));
  });

  it('OB-11 downstream-closed: the client went away', async () => {
    const log = logOf('client');
    await rawReset(echo, head('GET /?delay=3000 HTTP/1.1', 'host: echo'), 300);
    expect(await logged(log, 'downstream_remote_disconnect', 'the client')).toMatch(/" 0 DC /);
    seen.set('downstream-closed', '0 DC');
  });
});

describe('OB-11 connections to the mesh port that are refused', () => {
  it('OB-11 plaintext-refused: a plain client at a port of strict mutual TLS gets nothing', async () => {
    const { address, ports } = await mesh.workload('echo-v1');
    const log = logOf('echo-v1');
    const port = ports[0]?.meshPort ?? 0;
    expect(await raw(`http://${address}:${port}`, 'GET / HTTP/1.1\r\nhost: echo\r\n\r\n')).toBe('');
    expect(await logged(log, 'filter_chain_not_found', 'the plain client')).toMatch(/ 0 NR /);
    seen.set('plaintext-refused', '0 NR');
  });

  it('OB-11 downstream-tls-failure: a certificate of another authority', async () => {
    const { address, ports } = await mesh.workload('echo-v1');
    const log = logOf('echo-v1');
    const foreign = foreignCertificate('spiffe://cluster.local/ns/default/sa/client');
    const text = await new Promise<string>((resolve) => {
      const socket = connectTls({
        host: address,
        port: ports[0]?.meshPort ?? 0,
        rejectUnauthorized: false,
        ...foreign,
      });
      let got = '';
      socket.write('GET / HTTP/1.1\r\nhost: echo\r\n\r\n');
      socket.on('data', (data) => (got += data.toString('latin1')));
      socket.on('error', () => {});
      socket.once('close', () => resolve(got));
    });
    expect(text).toBe('');
    expect(await logged(log, 'downstream_tls_failure', 'the stranger')).toMatch(/ 0 - /);
    seen.set('downstream-tls-failure', '0 -');
  });
});

describe('OB-11 what is no failure of the mesh', () => {
  it("OB-11 an application's own 503 passes untouched, and so does its body", async () => {
    const log = logOf('client');
    const answer = await http(`${echo}/own?status=503`);
    expect([answer.status, answer.headers['x-app'], answer.headers['x-weft-reason']]).toEqual([503, 'echo', undefined]);
    expect(JSON.parse(answer.body)).toMatchObject({ name: 'echo', url: '/own?status=503' });
    expect(await logged(log, '/own?status=503', 'the answer')).toMatch(/" 503 - via_upstream /);
  });

  it('OB-11 an application can not speak in the name of the mesh', async () => {
    const answer = await http(`${unruly}/forged`);
    expect([answer.status, answer.body]).toEqual([503, 'own']);
    expect(answer.headers).not.toHaveProperty('x-weft-reason');
  });
});

describe('OB-11 as a whole', () => {
  // Last of all: the program takes no connections afterwards.
  it('OB-11 upstream-connect-failure: the application takes no connections', async () => {
    await route('unruly', `retries: { attempts: 0 }, ${to('unruly')}`);
    expect((await http(`${unruly}/deaf`)).status).toBe(200);
    await fails({ status: 503, flag: 'UF', reason: 'upstream-connect-failure', at: 'unruly-v1' }, () =>
      http(`${unruly}/`),
    );
  });

  it('OB-11 many ways to fail, each with a code of its own, and weft logs shows them', async () => {
    expect(seen.size).toBeGreaterThanOrEqual(30 - (mesh.isolated ? NOT_SEEN_AS_HTTP.length : 0));
    const { stdout } = await mesh.weft(['logs', 'client', '--proxy', '--tail', '500']);
    for (const flag of ['NR', 'NC', 'UH', 'FI', 'UT', 'UO', 'UF', 'DPE', 'DC']) expect(stdout).toContain(` ${flag} `);
  });
});

const NOT_SEEN_AS_HTTP = ['unsupported-version', 'uri-too-long'];

/** An answer out of bytes. */
function parsed(text: string): Answer {
  const end = text.indexOf('\r\n\r\n');
  const [line = '', ...fields] = text.slice(0, end).split('\r\n');
  const headers = Object.fromEntries(
    fields.map((field) => [
      field.slice(0, field.indexOf(':')).toLowerCase(),
      field.slice(field.indexOf(':') + 1).trim(),
    ]),
  );
  return { status: Number(line.split(' ')[1] ?? 0), headers, body: text.slice(end + 4), ms: 0 };
}
