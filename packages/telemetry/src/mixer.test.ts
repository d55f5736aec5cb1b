/** From YAML text to what comes out of the adapters, over the wire. */
import { readFileSync } from 'node:fs';
import { create } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { createMemoryStore, parseConfig } from '@weft/config';
import { GLOBAL_WORDS } from '@weft/contracts';
import { ReferencedAttributes_Condition } from '@weft/contracts/full/mixer/v1/attributes';
import {
  CheckRequestSchema,
  HeaderOperation_Operation,
  ReportRequest_RepeatedAttributesSemantics,
  ReportRequestSchema,
} from '@weft/contracts/full/mixer/v1/mixer';
import { silentLogger } from '@weft/kit';
import { FakeClock } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { serve } from './testing/grpc-server.ts';
import { createTelemetry } from './telemetry.ts';

const YAML = readFileSync(new URL('testdata/mixer.yaml', import.meta.url), 'utf8');

function setup(yaml = YAML) {
  const clock = new FakeClock(Date.UTC(2026, 0, 2));
  const parsed = parseConfig(yaml, 'mixer.yaml');
  const config = createMemoryStore({ clock, objects: parsed.objects.map(({ object }) => object) });
  const lines: string[] = [];
  const telemetry = createTelemetry({
    config,
    clock,
    logger: silentLogger,
    dir: undefined,
    output: { stdout: (line) => lines.push(line), stderr: () => {} },
  });
  return { clock, config, telemetry, lines, parsed };
}

/** Texts by name, as a message with words of its own. */
function attributes(strings: Record<string, string>, maps: Record<string, Record<string, string>> = {}) {
  const words: string[] = [];
  const index = (word: string): number => {
    const global = GLOBAL_WORDS.indexOf(word);
    if (global >= 0) return global;
    if (!words.includes(word)) words.push(word);
    return -words.indexOf(word) - 1;
  };
  const pairs = (entries: Record<string, string>) =>
    Object.fromEntries(Object.entries(entries).map(([key, value]) => [index(key), index(value)]));
  const stringMaps = Object.fromEntries(
    Object.entries(maps).map(([name, map]) => [index(name), { entries: pairs(map) }]),
  );
  return { strings: pairs(strings), stringMaps, words };
}

const check = (version: string, app = 'ratings') =>
  create(CheckRequestSchema, {
    attributes: attributes(
      { 'destination.namespace': 'shop' },
      { 'source.labels': { version }, 'destination.labels': { app } },
    ),
    globalWordCount: GLOBAL_WORDS.length,
  });

describe('Check', () => {
  it('refuses what a rule denies and passes the rest, saying for whom that holds', async () => {
    const { telemetry, parsed } = setup();
    expect(parsed.problems.filter((problem) => problem.severity === 'error')).toEqual([]);
    expect(telemetry.problems()).toEqual([]);
    await using server = await serve(telemetry.services);

    const denied = await server.check(check('v3'));
    expect(denied.precondition).toMatchObject({
      status: { code: 7, message: 'no-v3.shop:blocked' },
      validDuration: { seconds: 5n },
      validUseCount: 1000,
    });
    const words = denied.precondition?.referencedAttributes?.words ?? [];
    const name = (index: number) => (index >= 0 ? GLOBAL_WORDS[index] : words[-index - 1]);
    const seen = denied.precondition?.referencedAttributes?.attributeMatches.map((match) => [
      name(match.name),
      match.mapKey === undefined ? undefined : name(match.mapKey),
      match.condition === ReferencedAttributes_Condition.EXACT ? 'exact' : 'absent',
    ]);
    expect(seen).toEqual(
      expect.arrayContaining([
        ['destination.namespace', undefined, 'exact'],
        ['context.reporter.kind', undefined, 'absent'],
        ['destination.labels', 'app', 'exact'],
        ['source.labels', 'version', 'exact'],
      ]),
    );

    const passed = await server.check(check('v1'));
    expect(passed.precondition).toMatchObject({
      status: { code: 0 },
      validDuration: { seconds: 60n },
      validUseCount: 10_000,
    });
    expect((await server.check(check('v3', 'reviews'))).precondition?.status?.code).toBe(0);
    await telemetry.close();
  });

  it('holds rules of a namespace to that namespace', async () => {
    const { telemetry } = setup();
    await using server = await serve(telemetry.services);
    const request = check('v3');
    const elsewhere = create(CheckRequestSchema, {
      attributes: attributes(
        { 'destination.namespace': 'other' },
        { 'source.labels': { version: 'v3' }, 'destination.labels': { app: 'ratings' } },
      ),
    });
    expect((await server.check(request)).precondition?.status?.code).toBe(7);
    expect((await server.check(elsewhere)).precondition?.status?.code).toBe(0);
    await telemetry.close();
  });

  it('tells a client with a newer dictionary, in the words it waits for', async () => {
    const { telemetry } = setup();
    await using server = await serve(telemetry.services);
    await expect(server.check(create(CheckRequestSchema, { globalWordCount: 500 }))).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringMatching(/^Request could not be processed due to invalid/) as unknown,
    });
    await telemetry.close();
  });

  it('follows the configuration, and grants quotas that nothing limits', async () => {
    const { telemetry, config } = setup();
    await using server = await serve(telemetry.services);
    await config.delete({ kind: 'rule', namespace: 'shop', name: 'no-v3' });
    const answer = await server.check({
      ...check('v3'),
      quotas: { rates: { $typeName: 'istio.mixer.v1.CheckRequest.QuotaParams', amount: 3n, bestEffort: true } },
    });
    expect(answer.precondition?.status?.code).toBe(0);
    expect(answer.quotas['rates']?.grantedAmount).toBe(3n);
    await telemetry.close();
  });

  it('changes headers of what passes', async () => {
    const rule = `
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: tag, namespace: istio-system}
spec:
  actions: [{handler: prometheus, instances: [requestcount]}]
  requestHeaderOperations:
  - {name: X-User, values: ['request.auth.principal | ""']}
  - {name: x-secret, operation: REMOVE}
  - {name: x-host, values: [request.host]}
`;
    const { telemetry } = setup(`${YAML}---${rule}`);
    expect(telemetry.problems()).toEqual([]);
    await using server = await serve(telemetry.services);
    const answer = await server.check(
      create(CheckRequestSchema, { attributes: attributes({ 'request.auth.principal': 'issuer/jason' }) }),
    );
    expect(answer.precondition?.routeDirective?.requestHeaderOperations).toMatchObject([
      { name: 'x-user', value: 'issuer/jason', operation: HeaderOperation_Operation.REPLACE },
      { name: 'x-secret', operation: HeaderOperation_Operation.REMOVE },
    ]);
    await telemetry.close();
  });
});

describe('Report', () => {
  const bag = (code: bigint, nanos: number, strings: Record<string, string> = {}) => {
    const texts = attributes(
      { 'context.protocol': 'http', 'destination.namespace': 'shop', 'request.url_path': '/ratings/1', ...strings },
      { 'destination.labels': { app: 'ratings' } },
    );
    const at = (name: string) => GLOBAL_WORDS.indexOf(name);
    const words = [...texts.words, 'cart.total.shop'];
    return {
      ...texts,
      words,
      int64s: { [at('response.code')]: code, [-words.length]: 12n },
      durations: { [at('response.duration')]: { seconds: 0n, nanos } },
      timestamps: { [at('request.time')]: { seconds: 1_767_312_000n, nanos: 250_000_000 } },
      bytes: { [at('source.ip')]: Uint8Array.of(10, 0, 0, 7) },
    };
  };
  const report = (bags: readonly ReturnType<typeof bag>[]) =>
    create(ReportRequestSchema, {
      attributes: [...bags],
      globalWordCount: GLOBAL_WORDS.length,
      repeatedAttributesSemantics: ReportRequest_RepeatedAttributesSemantics.INDEPENDENT_ENCODING,
    });

  it('becomes metrics and log lines', async () => {
    const { telemetry, lines } = setup();
    await using server = await serve(telemetry.services);
    await server.mixerReport(
      report([
        bag(200n, 7_000_000),
        bag(200n, 70_000_000),
        bag(503n, 1_000_000),
        bag(200n, 0, { 'request.useragent': 'kube-probe/1' }),
      ]),
    );
    const page = await telemetry.metricsPage();
    expect(page).toContain(
      'istio_requests_total{reporter="destination",destination_app="ratings",response_code="200"} 2',
    );
    expect(page).toContain(
      'istio_requests_total{reporter="destination",destination_app="ratings",response_code="503"} 1',
    );
    expect(page).toContain('istio_request_duration_seconds_bucket{le="0.01",destination_app="ratings"} 2');
    expect(page).toContain('istio_request_duration_seconds_count{destination_app="ratings"} 3');
    expect(page).toMatch(
      /mixer_runtime_dispatches_total\{handler="prometheus.handler.istio-system",.*error="false"\} 1/,
    );
    expect(lines).toHaveLength(4);
    expect(lines[0]).toBe(
      '{"level":"warning","time":"2026-01-02T00:00:00.250000Z","instance":"accesslog.instance.shop","cart":12,"latency":"7ms","path":"/ratings/1","sourceIp":"10.0.0.7"}',
    );
    await telemetry.close();
  });

  it('keeps what a handler counted when other objects change', async () => {
    const { telemetry, config, lines } = setup();
    await using server = await serve(telemetry.services);
    await server.mixerReport(report([bag(200n, 0)]));
    await config.delete({ kind: 'rule', namespace: 'shop', name: 'logs' });
    await server.mixerReport(report([bag(200n, 0)]));
    expect(lines).toHaveLength(1);
    expect(await telemetry.metricsPage()).toMatch(/istio_requests_total\{.*response_code="200"\} 2/);
    await config.delete({ kind: 'rule', namespace: 'istio-system', name: 'promhttp' });
    expect(await telemetry.metricsPage()).not.toContain('istio_requests_total{');
    await telemetry.close();
  });
});
