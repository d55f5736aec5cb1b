/** Bookinfo as its tutorials use it: through the gateway, by the samples' YAML. */
import { X509Certificate } from 'node:crypto';
import { connect as connectPlain } from 'node:net';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '@weft/testkit';
import { versionOf } from '../harness/bookinfo.ts';
import { http, keepAlive, many } from '../harness/http.ts';
import { foreignCertificate } from '../harness/certificates.ts';
import { counterSum, scrape, stats } from '../harness/metrics.ts';
import { samples, startMesh, type TestMesh } from '../harness/mesh.ts';
import { bookinfoProgram } from '../harness/programs.ts';
import { withinBinomial } from '../harness/statistics.ts';

let mesh: TestMesh;
const page = (headers: Record<string, string> = {}) => http(`${mesh.gateway}/productpage`, { headers });

beforeAll(async () => {
  mesh = await startMesh({ command: 'demo' });
});
afterAll(() => mesh?.[Symbol.asyncDispose]());
afterEach(async () => {
  await mesh.delete('vs/reviews');
  await mesh.delete('vs/ratings');
});

/** A session signed in as jason, as the page's form does it. */
async function signIn(user: string): Promise<Record<string, string>> {
  const answer = await http(`${mesh.gateway}/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `username=${user}&passwd=`,
  });
  expect(answer.status).toBeLessThan(400);
  const cookie = answer.headers['set-cookie']?.split(';')[0];
  if (cookie === undefined) throw new Error('signing in gave no cookie');
  return { cookie };
}

describe('GW-01 ingress gateway', () => {
  it('GW-01 the page comes through gateway and sidecars, and an unknown path is 404 of the mesh', async () => {
    const answer = await page();
    expect(answer.status).toBe(200);
    expect(answer.body).toContain('The Comedy of Errors');
    expect(answer.headers['server']).toBe('istio-envoy');
    expect(await http(`${mesh.gateway}/no-such-path`)).toMatchObject({
      status: 404,
      headers: { 'x-weft-reason': 'no-route' },
    });
  });

  it('GW-01 the product list answers as JSON', async () => {
    const answer = await http(`${mesh.gateway}/api/v1/products`);
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body)).toHaveLength(1);
  });

  it('GW-01 a Gateway that is deleted refuses callers, and serves again when it is applied again', async () => {
    const file = join(samples, 'bookinfo/bookinfo-gateway.yaml');
    expect((await mesh.weft(['delete', '-f', file])).code).toBe(0);
    await waitFor(
      () =>
        page().then(
          () => false,
          () => true,
        ),
      { what: 'connections to be refused' },
    );
    await mesh.applyFile('bookinfo/bookinfo-gateway.yaml');
    await waitFor(async () => (await page()).status === 200, { what: 'the page to be back' });
  });
});

describe("Istio's Bookinfo tasks", () => {
  it('TR-02 all v1: no page has stars', async () => {
    await mesh.applyFile('bookinfo/virtual-service-all-v1.yaml');
    const answers = await many(20, () => page());
    expect(answers.every((answer) => answer.status === 200 && versionOf(answer.body) === 'v1')).toBe(true);
  });

  it('TR-03 jason sees v2, everybody else v1', async () => {
    await mesh.applyFile('bookinfo/virtual-service-all-v1.yaml');
    await mesh.applyFile('bookinfo/virtual-service-reviews-test-v2.yaml');
    const jason = await signIn('jason');
    const [own, others] = await Promise.all([many(10, () => page(jason)), many(10, () => page())]);
    expect(new Set(own.map((answer) => versionOf(answer.body)))).toEqual(new Set(['v2']));
    expect(new Set(others.map((answer) => versionOf(answer.body)))).toEqual(new Set(['v1']));
  });

  it('TR-04 50 to 50 between v1 and v3', async () => {
    await mesh.applyFile('bookinfo/virtual-service-reviews-50-v3.yaml');
    const agent = keepAlive(8);
    const answers = await many(400, () => http(`${mesh.gateway}/productpage`, { agent }), 8);
    agent.destroy();
    const v3 = answers.filter((answer) => versionOf(answer.body) === 'v3').length;
    expect(answers.every((answer) => ['v1', 'v3'].includes(versionOf(answer.body)))).toBe(true);
    expect(withinBinomial(v3, 400, 0.5)).toBe(true);
  });

  it('RE-04 7 s delay for jason: reviews give up after 6 s, and only for him', async () => {
    await mesh.applyFile('bookinfo/virtual-service-all-v1.yaml');
    await mesh.applyFile('bookinfo/virtual-service-reviews-test-v2.yaml');
    await mesh.applyFile('bookinfo/virtual-service-ratings-test-delay.yaml');
    const jason = await signIn('jason');
    const [slow, quick] = await Promise.all([page(jason), page()]);
    expect(slow.body).toContain('Sorry, product reviews are currently unavailable for this book.');
    expect(slow.ms).toBeGreaterThanOrEqual(5_900);
    expect(quick.body).not.toContain('currently unavailable');
  });

  it('RE-04 abort for jason: the page stays, the ratings are missing', async () => {
    await mesh.applyFile('bookinfo/virtual-service-all-v1.yaml');
    await mesh.applyFile('bookinfo/virtual-service-reviews-test-v2.yaml');
    await mesh.applyFile('bookinfo/virtual-service-ratings-test-abort.yaml');
    const answer = await page(await signIn('jason'));
    expect([answer.status, answer.body]).toEqual([
      200,
      expect.stringContaining('Ratings service is currently unavailable'),
    ]);
  });

  it('TR-04 10 000 calls of productpage to reviews at 50 to 50 stay inside the binomial bounds of 99.99 %', async () => {
    await mesh.applyFile('bookinfo/virtual-service-reviews-50-v3.yaml');
    const reviews = await mesh.outbound('productpage-v1', 'reviews');
    const agent = keepAlive(8);
    const answers = await many(10_000, () => http(`${reviews}/reviews/0`, { agent }), 8);
    agent.destroy();
    expect(answers.every((answer) => answer.status === 200)).toBe(true);
    const v3 = answers.filter((answer) => answer.body.includes('"color":"red"')).length;
    expect(withinBinomial(v3, 10_000, 0.5)).toBe(true);
  });

  it('RE-01 timeout of 0.5 s for reviews while ratings take 2 s: the page says that reviews are missing', async () => {
    await mesh.applyFile('bookinfo/virtual-service-reviews-timeout.yaml');
    await mesh.applyFile('bookinfo/virtual-service-ratings-delay-2s.yaml');
    const answer = await page();
    expect(answer.body).toContain('Sorry, product reviews are currently unavailable for this book.');
    // Two tries of 0.5 s each, since productpage asks once more; without the timeout there would be reviews, after 2 s.
    expect(answer.ms).toBeGreaterThanOrEqual(950);
  });

  it('RE-02 retries hide a flaky replica of ratings', async () => {
    const flaky = await mesh.run([
      '--service=ratings',
      '--version=v1',
      '--name=ratings-flaky',
      '--port=9080',
      '--service-account=bookinfo-ratings',
      '--health-path=/health',
      '--',
      process.execPath,
      bookinfoProgram('ratings'),
      '--fail-percent',
      '70',
    ]);
    await mesh.synced();
    const url = `${await mesh.outbound('reviews-v2', 'ratings')}/ratings/0`;
    const without = await many(200, () => http(url));
    expect(without.some((answer) => answer.status === 503)).toBe(true);
    await mesh.applyFile('bookinfo/virtual-service-ratings-retry.yaml');
    // A try goes to a replica that was not tried, and the other one is sound.
    const answers = await many(200, () => http(url));
    expect(answers.filter((answer) => answer.status !== 200)).toEqual([]);
    await flaky.stop();
  });
});

describe('SE-01 workload identity', () => {
  it('SE-01 the mesh port of reviews shows one SPIFFE URI and TLS 1.3, and its key is in no file', async () => {
    const { address, ports } = await mesh.workload('reviews-v1');
    const socket = await tlsTo(address, ports[0]!.meshPort);
    const certificate = new X509Certificate(socket.getPeerCertificate().raw);
    expect(certificate.subjectAltName).toBe('URI:spiffe://cluster.local/ns/default/sa/bookinfo-reviews');
    expect(socket.getProtocol()).toBe('TLSv1.3');
    socket.destroy();
  });
});

describe('SE-03 mutual TLS', () => {
  it('SE-03 a plain client is refused and counted', async () => {
    const { address, ports, adminAddress } = await mesh.workload('reviews-v1');
    const before = counterSum(await stats(adminAddress), /\.refused\.plaintext-refused:/);
    const text = await new Promise<string>((resolve) => {
      const socket = connectPlain({ host: address, port: ports[0]!.meshPort });
      let got = '';
      socket.on('data', (chunk) => (got += chunk.toString()));
      socket.on('error', () => {});
      socket.on('close', () => resolve(got));
      socket.write('GET /reviews/0 HTTP/1.1\r\nHost: reviews\r\n\r\n');
    });
    expect(text).toBe('');
    await waitFor(async () => counterSum(await stats(adminAddress), /\.refused\.plaintext-refused:/) > before);
  });

  it('SE-03 a client with a certificate of another authority is refused and counted', async () => {
    const { address, ports, adminAddress } = await mesh.workload('reviews-v1');
    const before = counterSum(await stats(adminAddress), /\.refused\.downstream-tls-failure:/);
    const foreign = foreignCertificate('spiffe://cluster.local/ns/default/sa/bookinfo-productpage');
    const outcome = await exchangeTls(address, ports[0]!.meshPort, foreign);
    expect(outcome).not.toContain('HTTP/1.1 200');
    const none = await exchangeTls(address, ports[0]!.meshPort, undefined);
    expect(none).not.toContain('HTTP/1.1 200');
    await waitFor(async () => counterSum(await stats(adminAddress), /\.refused\.downstream-tls-failure:/) > before);
  });
});

describe('OB-01 standard metrics', () => {
  it('OB-01 client and server count the same requests, with the standard labels', async () => {
    const agent = keepAlive(4);
    await many(200, () => http(`${mesh.gateway}/api/v1/products/0/reviews`, { agent }), 4);
    agent.destroy();
    const totals = async (): Promise<[number, number]> => {
      const { adminAddress: caller } = await mesh.workload('productpage-v1');
      const callees = await Promise.all(['v1', 'v2', 'v3'].map((version) => mesh.workload(`reviews-${version}`)));
      const client = counterSum(
        await scrape(caller),
        /^istio_requests_total\{.*reporter="source".*destination_service="reviews\.default\.svc\.cluster\.local"/,
      );
      const pages = await Promise.all(callees.map((callee) => scrape(callee.adminAddress)));
      return [
        client,
        pages.reduce((sum, text) => sum + counterSum(text, /^istio_requests_total\{.*reporter="destination"/), 0),
      ];
    };
    await waitFor(
      async () => {
        const [client, server] = await totals();
        return client > 0 && client === server;
      },
      { what: 'client and server counts to be equal' },
    );
    const { adminAddress } = await mesh.workload('productpage-v1');
    const line = (await scrape(adminAddress))
      .split('\n')
      .find((text) => text.startsWith('istio_requests_total{') && text.includes('reviews'));
    for (const label of [
      'source_workload="productpage-v1"',
      'source_principal="spiffe://cluster.local/ns/default/sa/bookinfo-productpage"',
      'destination_principal="spiffe://cluster.local/ns/default/sa/bookinfo-reviews"',
      'connection_security_policy="unknown"',
      'response_code="200"',
      'response_flags="-"',
      'request_protocol="http"',
      'destination_version=',
    ]) {
      expect(line).toContain(label);
    }
  });
});

describe('OB-02 traces', () => {
  it('OB-02 one page view is one tree with a client and a server span of every hop', async () => {
    const traceId = Array.from(
      { length: 32 },
      (_, index) => '0123456789abcdef'[(index * 7 + (Date.now() % 16)) % 16],
    ).join('');
    const root = '00f067aa0ba902b7';
    await page({ 'x-b3-traceid': traceId, 'x-b3-spanid': root, 'x-b3-sampled': '1' });
    interface Span {
      readonly spanId: string;
      readonly parentId?: string;
      readonly kind: string;
      readonly service: string;
    }
    const count = (spans: readonly Span[], kind: string) => spans.filter((span) => span.kind === kind).length;
    const spans = await waitFor(
      async () => {
        const { spans } = await mesh.api<{ spans: readonly Span[] }>(`/api/v1/traces/${traceId}`);
        const services = new Set(spans.map((span) => span.service.split('.')[0]));
        const complete = ['productpage', 'details', 'reviews'].every((service) => services.has(service));
        // Sidecars send their spans each in their own time, so equal counts may still be of different hops.
        const paired = spans.every(
          (span) =>
            span.kind !== 'server' || spans.some((other) => other.spanId === span.parentId && other.kind === 'client'),
        );
        return complete && paired && count(spans, 'client') === count(spans, 'server') ? spans : undefined;
      },
      { what: 'a client and a server span of every hop' },
    );
    const ids = new Set(spans.map((span) => span.spanId));
    const roots = spans.filter((span) => span.parentId === undefined || !ids.has(span.parentId));
    expect(roots).toHaveLength(1);
    expect(count(spans, 'client')).toBeGreaterThanOrEqual(3);
    // Each server span is the child of the client span of its hop.
    for (const span of spans.filter((item) => item.kind === 'server')) {
      expect(spans.find((item) => item.spanId === span.parentId)?.kind).toBe('client');
    }
  });

  it('OB-02 an unsampled request leaves no trace', async () => {
    const traceId = 'f'.repeat(31) + '0';
    await page({ 'x-b3-traceid': traceId, 'x-b3-spanid': '00f067aa0ba902b8', 'x-b3-sampled': '0' });
    const sampled = 'e'.repeat(31) + '0';
    await page({ 'x-b3-traceid': sampled, 'x-b3-spanid': '00f067aa0ba902b9', 'x-b3-sampled': '1' });
    await waitFor(() => mesh.api(`/api/v1/traces/${sampled}`));
    const answer = await fetch(`${mesh.console}/api/v1/traces/${traceId}`);
    expect(answer.status).toBe(404);
  });
});

describe('local API security', () => {
  it('CL-01 writes over TCP need the token; reads with a foreign Host are refused', async () => {
    const write = (headers: Record<string, string>) =>
      http(`${mesh.console}/api/v1/config/apply`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: '{"yaml":"","dryRun":true}',
      });
    expect((await write({})).status).toBe(401);
    expect((await write({ authorization: `Bearer ${'x'.repeat(43)}` })).status).toBe(401);
    const token = readFileSync(join(mesh.state, 'token'), 'utf8').trim();
    expect((await write({ authorization: `Bearer ${token}` })).status).not.toBe(401);
    expect((await http(`${mesh.console}/api/v1/mesh`, { headers: { host: 'evil.example' } })).status).toBe(421);
    const { adminAddress } = await mesh.workload('reviews-v1');
    expect((await http(`http://${adminAddress}/ready`, { headers: { host: 'evil.example' } })).status).toBe(421);
    expect((await http(`http://${adminAddress}/drain_listeners`, { method: 'POST' })).status).toBe(401);
  });
});

function tlsTo(host: string, port: number): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    // Only what the server shows is looked at here; who may call is the next tests' matter.
    const socket = connectTls({ host, port, rejectUnauthorized: false }, () => resolve(socket));
    socket.on('error', reject);
  });
}

function exchangeTls(
  host: string,
  port: number,
  client: { readonly key: string; readonly cert: string } | undefined,
): Promise<string> {
  return new Promise((resolve) => {
    let got = '';
    const socket = connectTls({ host, port, rejectUnauthorized: false, ...client }, () =>
      socket.write('GET /health HTTP/1.1\r\nHost: reviews\r\nConnection: close\r\n\r\n'),
    );
    socket.on('data', (chunk: Buffer) => (got += chunk.toString()));
    socket.on('error', () => {});
    socket.on('close', () => resolve(got));
  });
}
