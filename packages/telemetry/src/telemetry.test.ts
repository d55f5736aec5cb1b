import { silentLogger } from '@weft/kit';
import { createTestAuthority, FakeClock, tempDir, waitFor } from '@weft/testkit';
import { credentials, ServerCredentials, status } from '@grpc/grpc-js';
import { controlPlaneId, spiffeId } from '@weft/contracts';
import { describe, expect, it } from 'vitest';
import { edge, FakeProxy, logEntry, span } from './testing/fake-proxy.ts';
import { exchange, serve } from './testing/grpc-server.ts';
import { createTelemetry, type TelemetryDeps } from './telemetry.ts';

const START = 1_700_000_000_000;

function create(dir: string | undefined, over: Partial<TelemetryDeps> = {}, clock = new FakeClock(START)) {
  return createTelemetry({
    clock,
    logger: silentLogger,
    dir,
    output: { stdout: () => {}, stderr: () => {} },
    options: { requireIdentity: false },
    ...over,
  });
}

describe('reports over gRPC', () => {
  it('are stored, acknowledged and answered with the same numbers', async () => {
    const telemetry = create(undefined);
    await using server = await serve(telemetry.services);
    const proxy = new FakeProxy({ startMs: START });
    const stream = server.report();
    const messages = [proxy.helloMessage()];
    proxy.request(edge({}), 3, 40);
    messages.push(proxy.report(START, { spans: [span()], logs: [logEntry()] }));
    proxy.request(edge({ response_code: '500' }), 3, 2);
    messages.push(proxy.report(START));
    const answers = await exchange(stream, messages);
    expect(answers.map((answer) => answer.ackedSequence)).toEqual([0, 1, 2]);
    expect(answers[0]?.intervalMs).toBe(1000);
    expect(telemetry.queries.totals({ by: [] })[0]?.value).toBe(42);
    const [rate] = telemetry.queries.rates({ windowMs: 60_000 });
    expect([rate?.requests, rate?.errors]).toEqual([42, 2]);
    expect(telemetry.meshMetricsPage()).toMatch(/istio_requests_total\{.*response_code="500".*\} 2/);
    expect(telemetry.queries.proxies()).toMatchObject([{ workload: 'productpage-v1', connected: true }]);
    expect(await telemetry.metricsPage()).toContain('weft_telemetry_reports_total 2');
    stream.cancel();
    await waitFor(() => telemetry.queries.proxies()[0]?.connected === false);
    await telemetry.close();
  });

  it('survive a restart of the receiver: neither lost nor doubled', async () => {
    await using dir = await tempDir();
    const proxy = new FakeProxy({ startMs: START });
    const first = create(dir.path);
    {
      await using server = await serve(first.services);
      proxy.request(edge({}), 3, 10);
      await exchange(server.report(), [proxy.helloMessage(), proxy.report(START, { logs: [logEntry()] })]);
    }
    // The first is never closed, as after kill -9. What the proxy counts meanwhile comes with the next message.
    proxy.request(edge({}), 3, 7);
    const unacknowledged = proxy.report(START, { logs: [logEntry({ path: '/late' })] });
    const second = create(dir.path);
    await using server = await serve(second.services);
    const hello = proxy.helloMessage();
    const answers = await exchange(server.report(), [
      hello,
      { ...proxy.report(START), sequence: unacknowledged.sequence, logs: unacknowledged.logs },
    ]);
    expect(answers.map((answer) => answer.ackedSequence)).toEqual([1, 2]);
    expect(second.queries.totals({ by: [] })[0]?.value).toBe(17);
    expect(second.queries.logs().entries.map((entry) => entry.path)).toEqual(['/late', '/reviews/1']);
    await second.close();
  });

  it('end with a reason when they break the contract', async () => {
    const telemetry = create(undefined);
    await using server = await serve(telemetry.services);
    const proxy = new FakeProxy();
    const failure = async (messages: Parameters<typeof exchange>[1]) =>
      exchange(server.report(), messages).then(
        () => undefined,
        (error: { code: number; details: string }) => error,
      );
    expect(await failure([proxy.report(START)])).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining('hello') as unknown,
    });
    expect(await failure([proxy.helloMessage(), proxy.helloMessage()])).toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
    proxy.request(edge({}), 1);
    const report = proxy.report(START);
    expect(await failure([proxy.helloMessage(), { ...report, series: [], metrics: [] }])).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining('counters[0]: series 1 is not defined') as unknown,
    });
    expect(telemetry.queries.totals()).toEqual([]);
    await telemetry.close();
  });

  it('over mutual TLS are taken from the namespace of the certificate only', async () => {
    const authority = createTestAuthority();
    const telemetry = create(undefined, { options: {} });
    const own = authority.issue(controlPlaneId());
    const pem = (text: string) => Buffer.from(text);
    const server = ServerCredentials.createSsl(
      pem(authority.rootsPem),
      [{ cert_chain: pem(own.certChainPem), private_key: pem(own.privateKeyPem) }],
      true,
    );
    const as = async (namespace: string) => {
      const secret = authority.issue(
        spiffeId({ trustDomain: 'cluster.local', namespace, serviceAccount: 'productpage' }),
      );
      const client = credentials.createSsl(
        pem(authority.rootsPem),
        pem(secret.privateKeyPem),
        pem(secret.certChainPem),
        {
          // The server's identity is a SPIFFE id; names are not what is tested here.
          checkServerIdentity: () => undefined,
        },
      );
      await using connection = await serve(telemetry.services, server, client);
      return await exchange(connection.report(), [new FakeProxy().helloMessage()]);
    };
    expect(await as('default')).toMatchObject([{ intervalMs: 1000 }]);
    await expect(as('other')).rejects.toMatchObject({
      code: status.PERMISSION_DENIED,
      details: expect.stringContaining('namespace other') as unknown,
    });
    await telemetry.close();
  });

  it('need an identity unless told otherwise', async () => {
    const telemetry = create(undefined, { options: {} });
    await using server = await serve(telemetry.services);
    await expect(exchange(server.report(), [new FakeProxy().helloMessage()])).rejects.toMatchObject({
      code: status.PERMISSION_DENIED,
    });
    await telemetry.close();
  });
});
