/** A real Envoy in the place of productpage's sidecar, driven by pilot, with `weft agent` as its keeper of secrets. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectPlain } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { tempDir, waitFor } from '@weft/testkit';
import { versionOf, withoutReviews } from '../harness/bookinfo.ts';
import { foreignCertificate } from '../harness/certificates.ts';
import { findEnvoy, startEnvoy, type Envoy } from '../harness/envoy.ts';
import { http, keepAlive, many, type Answer } from '../harness/http.ts';
import { startMesh, type RunHandle, type TestMesh } from '../harness/mesh.ts';
import { counterSum } from '../harness/metrics.ts';
import { withinBinomial } from '../harness/statistics.ts';

const found = findEnvoy();
if (found.path === undefined) console.warn(`skipped: IO-01 Bookinfo behind Envoy (${found.reason})`);

const productpage = fileURLToPath(new URL('../../apps/bookinfo/dist/productpage.js', import.meta.url));
const ENVOY_ID = 'cluster.local/ns/default/sa/bookinfo-productpage';
const GATEWAY_ID = 'cluster.local/ns/weft-system/sa/weft-gateway';

let mesh: TestMesh;
let agent: RunHandle;
let envoy: Envoy;
let program: ChildProcess;
let folder: Awaited<ReturnType<typeof tempDir>>;
const page = (path = '/productpage'): Promise<Answer> => http(`${mesh.gateway}${path}`);

describe.skipIf(found.path === undefined)('IO-01 Envoy as the sidecar of productpage', () => {
  beforeAll(async () => {
    folder = await tempDir('weft-io-');
    mesh = await startMesh({ command: 'demo', args: ['--without', 'productpage'] });
    const file = join(folder.path, 'bootstrap-of-agent.json');
    agent = await mesh.agent([
      '--service=productpage',
      '--version=v1',
      '--port=9080',
      '--health-path=/health',
      '--service-account=bookinfo-productpage',
      `--bootstrap=${file}`,
    ]);
    await waitFor(() => agent.output().includes('waiting for'));
    const environment = Object.fromEntries(
      agent
        .stdout()
        .trim()
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    program = spawn(process.execPath, [productpage], { env: environment, stdio: 'ignore' });
    envoy = await startEnvoy({
      path: found.path ?? '',
      bootstrap: JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>,
      directory: folder.path,
      admin: (await mesh.workload('productpage-v1')).adminAddress,
    });
    await envoy.ready();
    await waitFor(() => agent.output().includes('is in the mesh'), { what: `the agent: ${agent.output()}` });
    await mesh.synced();
    await waitFor(async () => (await page()).status === 200, { what: 'the first page' });
  });
  afterAll(async () => {
    await envoy?.stop();
    program?.kill('SIGKILL');
    await mesh?.[Symbol.asyncDispose]();
    await folder?.remove();
  });
  afterEach(async () => {
    await mesh.delete('vs/reviews');
    await mesh.delete('vs/details');
  });

  it('IO-01 the page comes through gateway, Envoy and sidecars, by mutual TLS on both sides of Envoy', async () => {
    const answer = await page();
    expect([answer.status, answer.body]).toEqual([200, expect.stringContaining('The Comedy of Errors')]);
    expect(withoutReviews(answer.body)).toBe(false);
    const { address } = await mesh.workload('productpage-v1');
    const statistics = (await envoy.admin('/stats?filter=ssl.handshake')).replaceAll(': ', ' ');
    expect(counterSum(statistics, new RegExp(`^listener\\.${address}_9080\\.ssl\\.handshake`))).toBeGreaterThan(0);
    for (const service of ['details', 'reviews']) {
      const upstream = new RegExp(`^cluster\\.outbound\\|9080\\|.*\\|${service}\\.default.*ssl\\.handshake`);
      expect(counterSum(statistics, upstream)).toBeGreaterThan(0);
    }
    const { stdout } = await mesh.weft(['status', '--all']);
    expect(stdout).toMatch(/productpage-v1\.default +synced +synced +synced +synced/);
    expect(stdout).toMatch(/productpage-v1\.default admin .*Envoy's admin port asks nobody/);
  });

  it('IO-01 the secrets are on a socket of the user alone, and the bootstrap holds none', async () => {
    const socket = join(mesh.state, 'run/productpage-v1.default.sds');
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(folder.path, 'bootstrap-of-agent.json'), 'utf8')).not.toMatch(/BEGIN|PRIVATE/);
    expect(await envoy.admin('/certs')).toContain(`spiffe://${ENVOY_ID}`);
  });

  it("IO-01 weighted routes apply to Envoy's calls: all v1, all v3, half and half", async () => {
    await mesh.applyFile('bookinfo/virtual-service-all-v1.yaml');
    const all = await many(20, () => page(), 4);
    expect(new Set(all.map((answer) => versionOf(answer.body)))).toEqual(new Set(['v1']));
    await mesh.apply(reviews('- { destination: { host: reviews, subset: v3 } }'));
    const red = await many(20, () => page(), 4);
    expect(new Set(red.map((answer) => versionOf(answer.body)))).toEqual(new Set(['v3']));
    await mesh.applyFile('bookinfo/virtual-service-reviews-50-v3.yaml');
    const client = keepAlive(4);
    const answers = await many(400, () => http(`${mesh.gateway}/productpage`, { agent: client }), 4);
    client.destroy();
    expect(answers.every((answer) => answer.status === 200 && versionOf(answer.body) !== 'v2')).toBe(true);
    const v3 = answers.filter((answer) => versionOf(answer.body) === 'v3').length;
    expect(withinBinomial(v3, 400, 0.5)).toBe(true);
  });

  it("IO-01 Envoy's identity counts at reviews, and the gateway's counts at Envoy", async () => {
    await mesh.apply(allow('reviews', ENVOY_ID));
    expect(withoutReviews((await page()).body)).toBe(false);
    await mesh.apply(allow('reviews', GATEWAY_ID));
    const stranger = await page();
    expect([stranger.status, withoutReviews(stranger.body)]).toEqual([200, true]);
    await mesh.delete('authorizationpolicy/reviews');

    await mesh.apply(allow('productpage', GATEWAY_ID));
    expect((await page()).status).toBe(200);
    await mesh.apply(allow('productpage', 'cluster.local/ns/default/sa/somebody-else'));
    // Connections of the gateway from before live until Envoy has drained them.
    const denied = await waitFor(async () => {
      const answer = await page();
      return answer.status === 200 ? undefined : answer;
    });
    expect([denied.status, denied.body]).toEqual([403, 'RBAC: access denied']);
    await mesh.delete('authorizationpolicy/productpage');
    await waitFor(async () => (await page()).status === 200, { what: 'the page without the policy' });
  });

  it("IO-01 a plain client and a foreign certificate are refused on Envoy's mesh port", async () => {
    const { address, ports } = await mesh.workload('productpage-v1');
    const port = ports[0]?.meshPort ?? 0;
    expect(await answerTo(() => connectPlain({ host: address, port }))).not.toContain('HTTP/1.1 200');
    const foreign = foreignCertificate(`spiffe://${GATEWAY_ID}`);
    const tls = await answerTo(() => connectTls({ host: address, port, rejectUnauthorized: false, ...foreign }));
    expect(tls).not.toContain('HTTP/1.1');
    const statistics = (await envoy.admin(`/stats?filter=${address}_9080`)).replaceAll(': ', ' ');
    expect(counterSum(statistics, /no_filter_chain_match|ssl\.connection_error/)).toBeGreaterThan(0);
    expect(counterSum(statistics, /ssl\.fail_verify_error/)).toBeGreaterThan(0);
  });

  it('IO-01 a route that Envoy can not take is refused with the reason in the status, and the page still answers', async () => {
    // Valid as Istio's configuration: only the proxy knows which words there are.
    const poison = reviews('- { destination: { host: reviews } }', '"%NO_SUCH_WORD%"');
    await mesh.weft(['apply', '-f', '-'], { input: poison });
    const status = await waitFor(async () => {
      const { stdout } = await mesh.weft(['status']);
      return stdout.includes('refused RDS') ? stdout : undefined;
    });
    expect(status).toMatch(/productpage-v1\.default refused RDS: .*NO_SUCH_WORD/);
    expect(withoutReviews((await page()).body)).toBe(false);
    // The next route that it can take is taken.
    await mesh.apply(reviews('- { destination: { host: reviews, subset: v3 } }'));
    expect(versionOf((await page()).body)).toBe('v3');
    expect((await mesh.weft(['status'])).stdout).not.toContain('refused');
  });

  it('IO-01 the agent ends in order: the workload leaves, the socket goes, the others stay in sync', async () => {
    const socket = join(mesh.state, 'run/productpage-v1.default.sds');
    expect(await agent.stop()).toBe(0);
    expect(existsSync(socket)).toBe(false);
    const { workloads } = await mesh.supervisor();
    expect(workloads.map(({ name }) => name)).not.toContain('productpage-v1');
    await envoy.stop();
    await mesh.synced();
    expect(await page()).toMatchObject({ status: 503, headers: { 'x-weft-reason': 'no-healthy-upstream' } });
  });
});

describe('IO-01 refusals of weft agent', () => {
  it('IO-01 without a mesh, with a bad port or part, it says so and what to do', async () => {
    const { weft } = await import('../harness/mesh.ts');
    const none = await weft(['agent', '--state', '/tmp/weft-no-such-mesh', '--service', 'a', '--port', '9080']);
    expect([none.code, none.stderr]).toEqual([69, expect.stringContaining('fix:')]);
    const port = await weft(['agent', '--service', 'a', '--port', 'none']);
    expect([port.code, port.stderr]).toEqual([64, expect.stringContaining('--port')]);
    const part = await weft(['demo', '--without', 'prodpage']);
    expect([part.code, part.stderr]).toEqual([64, expect.stringContaining('productpage')]);
  });
});

const reviews = (route: string, header?: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http:
    - route: [${route.slice(2)}]
${header === undefined ? '' : `      headers: { response: { set: { x-poison: ${header} } } }\n`}`;

const allow = (service: string, principal: string): string => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${service} }
spec:
  selector: { matchLabels: { app: ${service} } }
  action: ALLOW
  rules: [{ from: [{ source: { principals: ["${principal}"] } }] }]
`;

/** What came back on a connection that asks for the page; the reason of its end when nothing did. */
function answerTo(open: () => ReturnType<typeof connectPlain>): Promise<string> {
  return new Promise((resolve) => {
    const socket = open();
    let text = '';
    socket.setTimeout(5_000, () => socket.destroy());
    socket.write('GET /productpage HTTP/1.1\r\nhost: productpage\r\nconnection: close\r\n\r\n');
    socket.on('data', (data) => (text += data.toString('latin1')));
    socket.once('error', (error) => (text ||= String(error)));
    socket.once('close', () => resolve(text));
  });
}
