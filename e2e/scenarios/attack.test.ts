/** What strangers, neighbours and workloads with an identity of their own try against a running mesh. */
import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { create, toBinary } from '@bufbuild/protobuf';
import { DeltaDiscoveryRequestSchema } from '@weft/contracts/full/envoy/service/discovery/v3/discovery';
import { ReportRequestSchema } from '@weft/contracts/full/weft/telemetry/v1/telemetry';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { edgeTo } from '../harness/edge.ts';
import { foreignCertificate } from '../harness/certificates.ts';
import { http } from '../harness/http.ts';
import {
  certificate,
  type Credentials,
  grpc,
  type Joined,
  joinMesh,
  signedByLeaf,
  signingRequest,
} from '../harness/intruder.ts';
import { startMesh, type SupervisorWorkload, type TestMesh } from '../harness/mesh.ts';
import { startEcho } from '../harness/programs.ts';
import { raw } from '../harness/raw.ts';

const ECHO_ID = 'spiffe://cluster.local/ns/default/sa/echo';
const MALLORY_ID = 'spiffe://cluster.local/ns/default/sa/mallory';

let mesh: TestMesh;
let echo: SupervisorWorkload;
let sidecar: string;
let joined: Joined;
/** A workload's own, honestly got. */
let mallory: Credentials;

beforeAll(async () => {
  mesh = await startMesh();
  await startEcho(mesh, { service: 'echo', version: 'v1' });
  await mesh.apply(CONFIG);
  echo = await mesh.workload('echo-v1');
  sidecar = `http://${echo.address}:8000`;
});
afterAll(() => mesh?.[Symbol.asyncDispose]());

// PERMISSIVE, so that bytes of our own choice reach the sidecar too.
const CONFIG = `${edgeTo('echo')}---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: echo }
spec: { selector: { matchLabels: { app: echo } }, mtls: { mode: PERMISSIVE } }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: echo }
spec:
  selector: { matchLabels: { app: echo } }
  action: DENY
  rules:
    - to: [{ operation: { paths: ["/admin*"] } }]
    - to: [{ operation: { hosts: ["internal.example"] } }]
`;

const H = 'Host: h\r\n';
const doors = (): readonly string[] => [mesh.gateway, sidecar];
const statusOf = (answer: string): number => Number(answer.slice(9, 12));
const get = (target: string, host = 'h', fields = ''): string =>
  `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${fields}Connection: close\r\n\r\n`;

describe('SE-11 bytes and paths', () => {
  it.each([
    [
      'length and chunks',
      `POST / HTTP/1.1\r\n${H}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
    ['two codings', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, 501],
    ['a coding with a control byte', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`, 400],
    ['two lengths', `POST / HTTP/1.1\r\n${H}Content-Length: 4\r\nContent-Length: 5\r\n\r\nhello`, 400],
    ['a signed length', `POST / HTTP/1.1\r\n${H}Content-Length: +5\r\n\r\nhello`, 400],
    ['chunks in HTTP/1.0', `POST / HTTP/1.0\r\n${H}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['a bare LF', `GET / HTTP/1.1\r\n${H}A: b\nC: d\r\n\r\n`, 400],
    ['a folded line', `GET / HTTP/1.1\r\n${H}A: b\r\n c\r\n\r\n`, 400],
    ['a space before the colon', `POST / HTTP/1.1\r\n${H}Content-Length : 5\r\n\r\nhello`, 400],
    ['a NUL', `GET / HTTP/1.1\r\n${H}A: b\0c\r\n\r\n`, 400],
    ['two hosts', `GET / HTTP/1.1\r\n${H}Host: i\r\n\r\n`, 400],
    [
      'a chunk size in hexadecimal notation',
      `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n`,
      400,
    ],
    ['no version', `GET /\r\n${H}\r\n`, 400],
    ['CONNECT', `CONNECT h:443 HTTP/1.1\r\n${H}\r\n`, 405],
    ['an oversized head', `GET / HTTP/1.1\r\n${H}A: ${'a'.repeat(70_000)}\r\n\r\n`, 431],
  ])('SE-11 %s is answered once, and what follows is never a request', async (_, bytes, status) => {
    for (const door of doors()) {
      const answer = await raw(door, `${bytes}GET /smuggled HTTP/1.1\r\n${H}\r\n`);
      expect([statusOf(answer), answer.match(/HTTP\/1\.1 /g)?.length]).toEqual([status, 1]);
      expect(answer).not.toContain('smuggled');
    }
  });

  it.each([
    '/admin',
    '/admin?x',
    '/./admin',
    '/%61dmin',
    '/x/../admin',
    '/x/%2e%2E/admin',
    '/x/..;/admin',
    '/x/..;v=1/admin',
    '/.;x/admin',
    String.raw`/x\..\admin`,
    '/admin;x',
    'http://h/admin',
  ])('SE-11 %s does not get around a rule for /admin', async (target) => {
    for (const door of doors()) expect(statusOf(await raw(door, get(target)))).toBe(403);
  });

  it.each(['/../admin', '/..;/admin', '/a%00', '/a%zz', '/a#b', 'admin'])('SE-11 %s is no path', async (target) => {
    for (const door of doors()) expect(statusOf(await raw(door, get(target)))).toBe(400);
  });

  it.each(['/a%2F..%2Fadmin', '/ADMIN', '//a', '/%252e%252e/admin'])(
    'SE-11 %s reaches the application as it was judged',
    async (target) => {
      for (const door of doors()) expect(await raw(door, get(target))).toContain(`"url":"${target}"`);
    },
  );

  it.each(['internal.example', 'INTERNAL.example', 'internal.example:80', 'internal.example.', 'internal.example.:1'])(
    'SE-11 Host %s does not get around a rule for internal.example',
    async (host) => {
      for (const door of doors()) expect(statusOf(await raw(door, get('/', host)))).toBe(403);
    },
  );

  it('SE-11 a33 nobody without a certificate speaks for the mesh', async () => {
    const forged = [
      'x-weft-reason: upstream-connect-failure',
      'X-WEFT-anything: 1',
      'x-envoy-retry-on: 5xx',
      'x-envoy-upstream-rq-timeout-ms: 1',
      'x-envoy-external-address: 9.9.9.9',
      'x-envoy-peer-metadata: zzzz',
      'x-envoy-original-path: /forged',
      'x-envoy-original-dst-host: 9.9.9.9:9',
      'x-envoy-max-retries: 9',
      'x-envoy-decorator-operation: forged',
      'x-envoy-internal: forged',
      'x-envoy-attempt-count: forged',
      'x-envoy-fault-abort-request: 599',
      'x-envoy-retriable-status-codes: 299',
      'x-istio-attributes: forged',
      `x-forwarded-client-cert: URI=${ECHO_ID}`,
    ];
    for (const door of doors()) {
      const answer = (await raw(door, get('/', 'h', `${forged.join('\r\n')}\r\n`))).toLowerCase();
      expect(statusOf(answer)).toBe(200);
      // Words that no id can have in it, however it was drawn.
      for (const word of [
        'x-weft-',
        'retry-on',
        'rq-timeout',
        '9.9.9.9',
        'zzzz',
        'forged',
        'max-retries',
        'fault-abort',
        'retriable-status',
        `uri=${ECHO_ID}`,
      ])
        expect(answer).not.toContain(word);
    }
  });

  it('SE-11 a31 names with underscores are refused at the gateway, and pass inside', async () => {
    expect(statusOf(await raw(mesh.gateway, get('/', 'h', 'x_forwarded_client_cert: forged\r\n')))).toBe(400);
    expect(await raw(sidecar, get('/', 'h', 'x_own: 1\r\n'))).toMatch(/^HTTP\/1.1 200 [^]*"x_own":"1"/);
  });

  it('SE-11 what comes behind a refused upgrade is a request of its own, judged like others', async () => {
    const upgrade = `GET / HTTP/1.1\r\n${H}Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n`;
    for (const door of doors()) expect(await raw(door, upgrade + get('/admin'))).toMatch(/ 200 OK[^]* 403 Forbidden/);
  });

  it('SE-11 the answers of a flood of requests on one connection come in order and all', async () => {
    const flood = Array.from({ length: 2_000 }, (_, i) => `GET /admin${i} HTTP/1.1\r\n${H}\r\n`).join('');
    for (const door of doors()) {
      const answer = await raw(door, flood + get('/last'));
      expect([answer.match(/ 403 Forbidden/g)?.length, answer.match(/ 200 OK/g)?.length]).toEqual([2_000, 1]);
      expect(answer).toMatch(/"calls":\d+\}(?:\r\n0\r\n\r\n)?$/);
    }
  });
});

describe('SE-03 other people’s identities', () => {
  beforeAll(async () => {
    joined = await joinMesh(mesh.state, 'mallory');
    const { key, csr } = signingRequest([MALLORY_ID]);
    const { chain } = await certificate({
      port: mesh.ports.ca,
      rootsPem: joined.rootsPem,
      token: await joined.token(),
      csr,
    });
    mallory = { key, cert: chain.slice(0, -1).join('') };
  });
  afterAll(() => joined?.[Symbol.dispose]());

  const nodeOf = (name: string): string => `sidecar~${echo.address}~${name}.default~default.svc.cluster.local`;
  const subscribe = (name: string, account: string): Uint8Array =>
    toBinary(
      DeltaDiscoveryRequestSchema,
      create(DeltaDiscoveryRequestSchema, {
        node: { id: nodeOf(name), metadata: { NAMESPACE: 'default', SERVICE_ACCOUNT: account } },
        typeUrl: 'type.googleapis.com/envoy.config.listener.v3.Listener',
      }),
    );
  const ads = (name: string, account: string, client: Credentials | undefined) =>
    grpc({
      port: mesh.ports.xds,
      path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
      rootsPem: joined.rootsPem,
      body: subscribe(name, account),
      streaming: true,
      client,
    });
  const report = (name: string) =>
    grpc({
      port: mesh.ports.xds,
      path: '/weft.telemetry.v1.TelemetryService/Report',
      rootsPem: joined.rootsPem,
      body: toBinary(
        ReportRequestSchema,
        create(ReportRequestSchema, {
          hello: {
            proxy: nodeOf(name),
            startId: 'start-of-mallory-1',
            startMs: 1,
            workload: name,
            namespace: 'default',
          },
        }),
      ),
      streaming: true,
      client: mallory,
    });
  /** 200 and the like, or why there was no answer. */
  const overTls = (options: ConnectionOptions): Promise<string> =>
    new Promise((resolve) => {
      const socket = connectTls(
        { host: echo.address, port: 8000, rejectUnauthorized: false, ALPNProtocols: ['istio'], ...options },
        () => socket.write(get('/')),
      );
      socket.once('data', (data: Buffer) => {
        resolve(data.toString('latin1'));
        socket.destroy();
      });
      socket.once('error', (error) => resolve(`refused: ${error.message}`));
      socket.once('close', () => resolve('refused: closed'));
    });

  it('SE-03 a signing request that names others gets the caller’s own name', async () => {
    const { csr } = signingRequest([ECHO_ID, 'spiffe://cluster.local/ns/weft-system/sa/weft-control-plane']);
    const { chain } = await certificate({ port: mesh.ports.xds, rootsPem: joined.rootsPem, client: mallory, csr });
    expect(new X509Certificate(chain[0] ?? '').subjectAltName).toBe(`URI:${MALLORY_ID}`);
    expect(new X509Certificate(chain[0] ?? '').ca).toBe(false);
  });

  it('SE-03 a token serves once, and an edited, foreign or missing one never', async () => {
    const { csr } = signingRequest([MALLORY_ID]);
    const ask = async (token: string | undefined): Promise<string> =>
      (await certificate({ port: mesh.ports.ca, rootsPem: joined.rootsPem, csr, token })).status;
    const token = await joined.token();
    expect([await ask(token), await ask(token)]).toEqual(['0', '16']);
    const [head = '', claims = '', signature = ''] = (await joined.token()).split('.');
    const text = (part: string): string => Buffer.from(part, 'base64url').toString();
    const coded = (value: string): string => Buffer.from(value).toString('base64url');
    const asEcho = coded(text(claims).replaceAll('mallory', 'echo'));
    expect(await ask(`${head}.${asEcho}.${signature}`)).toBe('16');
    expect(await ask(`${coded('{"alg":"none"}')}.${asEcho}.`)).toBe('16');
    expect(await ask(`${coded('{"alg":"HS256"}')}.${asEcho}.${signature}`)).toBe('16');
    expect(await ask(undefined)).toBe('16');
    // A certificate for longer than the authority gives.
    expect(
      (
        await certificate({
          port: mesh.ports.ca,
          rootsPem: joined.rootsPem,
          csr,
          token: await joined.token(),
          days: 3_650,
        })
      ).status,
    ).toBe('3');
  });

  it('SE-03 nobody gets the configuration of another workload, or any without a certificate', async () => {
    expect((await ads('echo-v1', 'echo', undefined)).status).not.toMatch(/^(0|answered)$/);
    expect((await ads('echo-v1', 'echo', mallory)).status).toBe('7');
    expect((await ads('echo-v1', 'mallory', mallory)).status).toBe('7');
    expect((await ads('mallory', 'mallory', mallory)).status).toBe('answered');
  });

  it('SE-03 nobody reports in the name of another workload', async () => {
    expect(await report('echo-v1')).toMatchObject({ status: '7', message: expect.stringContaining('mallory') });
    expect((await report('mallory')).status).toBe('answered');
  });

  it('SE-03 a sidecar takes no certificate that its mesh’s authority did not make', async () => {
    const foreign = foreignCertificate(ECHO_ID);
    expect(await overTls(foreign)).toMatch(/^refused/);
    expect(await overTls(signedByLeaf(mallory, ECHO_ID))).toMatch(/^refused/);
    expect(await overTls({})).toMatch(/^refused/);
    expect(
      await overTls({ ...mallory, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }),
    ).toMatch(/^refused/);
    const own = await overTls(mallory);
    expect(own).toMatch(/^HTTP\/1.1 200/);
    expect(own).toContain(`URI=${MALLORY_ID}`);
  });
});

describe('CL-01 this machine’s other users and pages', () => {
  it('CL-01 pages of other sites read nothing and change nothing', async () => {
    const monitoring = `http://127.0.0.1:${mesh.ports.monitoring}`;
    const admin = `http://${echo.adminAddress}`;
    for (const url of [`${mesh.console}/api/v1/mesh`, `${monitoring}/metrics`, `${admin}/config_dump`])
      expect((await http(url, { headers: { host: 'rebound.example' } })).status).toBe(421);
    const foreign: readonly Record<string, string>[] = [
      { origin: 'http://rebound.example' },
      { 'sec-fetch-site': 'cross-site' },
    ];
    const api = ['/api/v1/mesh', '/api/v1/events'].map((path) => mesh.console + path);
    for (const headers of foreign)
      for (const url of [...api, `${monitoring}/metrics`, `${admin}/config_dump`, `${admin}/stats`])
        expect([url, (await http(url, { headers })).status]).toEqual([url, 403]);
    const followed = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
    for (const url of [mesh.console, `${monitoring}/ready`, `${admin}/ready`])
      expect([url, (await http(url, { headers: followed })).status]).toEqual([url, 200]);
    const write = { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } };
    expect((await http(`${mesh.console}/api/v1/config/apply`, write)).status).toBe(401);
    for (const path of ['/logging?level=debug', '/drain'])
      expect((await http(`${admin}${path}`, { method: 'POST' })).status).toBe(401);
    expect((await http(`${admin}/drain`)).status).toBe(405);
  });

  it.each([
    '/../../../etc/passwd',
    '/%2e%2e/%2e%2e/etc/passwd',
    '/assets/..%2f..%2fpackage.json',
    '/%00',
    '//etc/passwd',
  ])('CL-01 the console has no file %s', async (path) =>
    expect(statusOf(await raw(mesh.console, get(path, '127.0.0.1')))).toBe(404),
  );

  it('CL-01 an expression in a query can not stop a proxy', async () => {
    // It answers within the test's time, and goes on.
    await http(`http://${echo.adminAddress}/stats?filter=${encodeURIComponent('(((a+)+)+)+!')}`);
    expect((await http(`http://${echo.adminAddress}/ready`)).status).toBe(200);
  });

  it('CL-01 keys are in the authority’s folder alone, and nothing but the configuration is for others to see', async () => {
    const token = readFileSync(join(mesh.state, 'token'), 'utf8').trim();
    const files = readdirSync(mesh.state, { recursive: true, withFileTypes: true });
    for (const file of files) {
      const path = join(file.parentPath, file.name);
      const { mode } = statSync(path);
      const inConfig = path.startsWith(join(mesh.state, 'config'));
      if (!inConfig) expect([path, mode & 0o077]).toEqual([path, 0]);
      if (!file.isFile() || path.startsWith(join(mesh.state, 'ca'))) continue;
      const text = readFileSync(path, 'latin1');
      expect(text).not.toMatch(/PRIVATE KEY/);
      if (file.name !== 'token') expect([path, text.includes(token)]).toEqual([path, false]);
    }
    const dump = await http(`http://${echo.adminAddress}/config_dump`);
    const hidden = Buffer.from('[redacted]').toString('base64');
    expect(/"private_key": \{\s*"inline_bytes": "([^"]*)"/.exec(dump.body)?.[1]).toBe(hidden);
    expect([/PRIVATE KEY/.test(dump.body), dump.body.includes(token)]).toEqual([false, false]);
    const { controlPlanePid = 0, pid } = await mesh.supervisor();
    for (const id of [pid, controlPlanePid, echo.processes?.proxy ?? 0])
      for (const what of ['cmdline', 'environ'])
        if (process.platform === 'linux') expect(readFileSync(`/proc/${id}/${what}`, 'latin1')).not.toContain(token);
  });

  it('CL-01 names that lead elsewhere, bombs and endless nesting are refused, and thousands of routes are not too many', async () => {
    const refused = async (yaml: string, why: RegExp): Promise<void> => {
      const { code, stderr, stdout } = await mesh.weft(['apply', '-f', '-'], { input: yaml });
      expect([code === 0, stderr + stdout]).toEqual([false, expect.stringMatching(why)]);
    };
    const service = (name: string, http_: string): string =>
      `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: { name: ${JSON.stringify(name)} }\nspec:\n  hosts: [many.example]\n  http:\n${http_}`;
    const route = (match: string): string =>
      `  - match: [{ uri: { ${match} } }]\n    route: [{ destination: { host: echo } }]\n`;
    await refused(service('../../../elsewhere', route('prefix: /a')), /is not a name/);
    await refused(service('bomb', route("regex: '((a{1,100}){1,100}){1,100}'")), /does not compile/);
    await refused(`a: ${'['.repeat(20_000)}`, /nested deeper/);
    const levels = Array.from({ length: 7 }, (_, i) => {
      const former = `*${'abcdefgh'[i]}`;
      return `${'bcdefgh'[i]}: &${'bcdefgh'[i]} [${Array(9).fill(former).join(', ')}]\n`;
    });
    await refused(`a: &a [x, x, x, x, x, x, x, x, x]\n${levels.join('')}`, /more than 500000 values/);
    await mesh.apply(service('many', Array.from({ length: 8_000 }, (_, i) => route(`prefix: /p${i}`)).join('')));
    expect((await http(`${mesh.gateway}/`)).status).toBe(200);
  });

  it('CL-01 what the control plane holds is shown to who has the token; metrics and readiness to everybody', async () => {
    const monitoring = `http://127.0.0.1:${mesh.ports.monitoring}`;
    const token = readFileSync(join(mesh.state, 'token'), 'utf8').trim();
    for (const page of ['syncz', 'configz', 'registryz', 'nothing']) {
      for (const headers of [{}, { authorization: 'Bearer of-news' }, { authorization: token }]) {
        const { status, body } = await http(`${monitoring}/debug/${page}`, { headers });
        expect([status, body]).toEqual([401, expect.stringContaining('token')]);
      }
    }
    const open = await http(`${monitoring}/debug/registryz`, { headers: { authorization: `Bearer ${token}` } });
    expect([open.status, open.body]).toEqual([200, expect.stringContaining('"echo"')]);
    for (const page of ['metrics', 'ready']) expect((await http(`${monitoring}/${page}`)).status).toBe(200);
  });

  it('CL-01 a megabyte of YAML keeps nobody waiting for as long as it takes to read', async () => {
    const route = (i: number): string =>
      `  - match: [{ uri: { prefix: /path-${i} }, headers: { end-user: { exact: user-${i} } } }]\n    route: [{ destination: { host: echo } }]\n`;
    const yaml = `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: { name: heavy }\nspec:\n  hosts: [heavy.example]\n  http:\n${Array.from({ length: 7_200 }, (_, i) => route(i)).join('')}`;
    expect(yaml.length).toBeGreaterThan(900_000);
    let applying = true;
    const startMs = performance.now();
    const done = mesh.weft(['apply', '--dry-run', '-f', '-'], { input: yaml }).finally(() => (applying = false));
    let longestMs = 0;
    while (applying) {
      const askedMs = performance.now();
      expect((await http(`http://127.0.0.1:${mesh.ports.monitoring}/ready`)).status).toBe(200);
      longestMs = Math.max(longestMs, performance.now() - askedMs);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(await done).toMatchObject({ code: 0, stdout: expect.stringContaining('created (dry run)') as string });
    const allMs = performance.now() - startMs;
    expect(longestMs, `the longest of ${Math.round(allMs)} ms`).toBeLessThan((allMs * 2) / 3);
    console.log(
      `1 MB of YAML: ${Math.round(allMs)} ms, the control plane answered others within ${Math.round(longestMs)} ms`,
    );
    const larger = await mesh.weft(['apply', '-f', '-'], { input: `${yaml}${'# more and more\n'.repeat(20_000)}` });
    expect([larger.code, larger.stderr]).toEqual([65, expect.stringMatching(/larger than 1 MiB/)]);
  });
});
