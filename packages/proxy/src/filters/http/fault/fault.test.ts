import { connect } from 'node:net';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { HTTPFaultSchema } from '@weft/contracts/lean/envoy/extensions/filters/http/fault/v3/fault';
import { FakeClock, waitFor } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { ask, startProxy, type TestProxy } from '../../../test-support/harness.ts';
import {
  httpChain,
  listener,
  pack,
  resourceSet,
  routes,
  staticCluster,
  toCluster,
} from '../../../test-support/resources.ts';
import { echoUpstream, type TestServer } from '../../../test-support/upstream.ts';

type Init = Exclude<MessageInitShape<typeof HTTPFaultSchema>, { $typeName: string }>;

const FAULT = 'envoy.filters.http.fault';
const all = { numerator: 100 };
const byHeader = { case: 'headerAbort', value: {} } as const;
const delayByHeader = { case: 'headerDelay', value: {} } as const;
const fixed = (seconds: bigint) => ({ case: 'fixedDelay', value: { seconds } }) as const;

const withFault = (app: TestServer, fault: Init, clock?: FakeClock): Promise<TestProxy> =>
  startProxy(
    resourceSet({
      listeners: [
        listener('in', [
          httpChain(routes(toCluster('app', {}, { typedPerFilterConfig: { [FAULT]: pack(HTTPFaultSchema, fault) } })), {
            httpFilters: [{ name: FAULT, configType: { case: 'typedConfig', value: pack(HTTPFaultSchema, {}) } }],
          }),
        ]),
      ],
      clusters: [staticCluster('app', [app.port])],
    }),
    clock === undefined ? {} : { clock },
  );
const get = async (proxy: TestProxy, headers: Record<string, string> = {}) => {
  const { status, headers: got } = await ask({ port: proxy.portOf('in'), headers });
  return got['grpc-status'] === undefined ? status : `grpc ${String(got['grpc-status'])}`;
};
const counted = (proxy: TestProxy, name: string): number => proxy.stats.valueOf(`http.test.fault.${name}`);

describe('an abort', () => {
  it('by a gRPC status is a gRPC answer, for its share of the requests', async () => {
    await using app = await echoUpstream('app');
    await using proxy = await withFault(app, {
      abort: { errorType: { case: 'grpcStatus', value: 14 }, percentage: { numerator: 30 } },
    });
    const seen: (number | string)[] = [];
    for (let i = 0; i < 300; i += 1) seen.push(await get(proxy));
    expect(new Set(seen)).toEqual(new Set([200, 'grpc 14']));
    const aborted = seen.filter((one) => one === 'grpc 14').length;
    expect(aborted).toBeGreaterThan(60);
    expect(aborted).toBeLessThan(125);
    expect(counted(proxy, 'aborts_injected')).toBe(aborted);
    expect(counted(proxy, 'active_faults')).toBe(0);
  });

  it('by headers does what they ask, no more than the configuration allows', async () => {
    await using app = await echoUpstream('app');
    await using proxy = await withFault(app, { abort: { errorType: byHeader, percentage: all } });
    const ask_ = (name: string, value: string) => get(proxy, { [`x-envoy-fault-abort-${name}`]: value });
    expect(await ask_('request', '418')).toBe(418);
    expect(await ask_('grpc-request', '7')).toBe('grpc 7');
    for (const bad of ['', '99', '600', '-1', '1e2', '418 ', '99999999999'].filter((text) => text.trim() === text))
      expect(await ask_('request', bad)).toBe(200);
    expect(await ask_('grpc-request', '17')).toBe(200);
    expect(await get(proxy)).toBe(200);
    expect(
      await get(proxy, { 'x-envoy-fault-abort-request': '503', 'x-envoy-fault-abort-request-percentage': '0' }),
    ).toBe(200);
    await using none = await withFault(app, { abort: { errorType: byHeader, percentage: { numerator: 0 } } });
    expect(
      await get(none, { 'x-envoy-fault-abort-request': '503', 'x-envoy-fault-abort-request-percentage': '100' }),
    ).toBe(200);
  });

  it('is for the nodes and clusters that are named', async () => {
    await using app = await echoUpstream('app');
    const abort: Init = { abort: { errorType: { case: 'httpStatus', value: 500 }, percentage: all } };
    await using proxy = await withFault(app, { ...abort, downstreamNodes: ['canary'] });
    expect([await get(proxy), await get(proxy, { 'x-envoy-downstream-service-node': 'canary' })]).toEqual([200, 500]);
    await using other = await withFault(app, { ...abort, upstreamCluster: 'other' });
    expect(await get(other)).toBe(200);
  });
});

describe('a delay', () => {
  it('comes before an abort, and the log says both', async () => {
    await using app = await echoUpstream('app');
    const clock = new FakeClock();
    await using proxy = await withFault(
      app,
      {
        delay: { faultDelaySecifier: fixed(5n), percentage: all },
        abort: { errorType: { case: 'httpStatus', value: 503 }, percentage: all },
      },
      clock,
    );
    const answer = get(proxy);
    await waitFor(() => counted(proxy, 'active_faults') === 1, { what: 'the delay' });
    expect(proxy.records).toHaveLength(0);
    clock.advance(5_000);
    expect(await answer).toBe(503);
    expect(proxy.records[0]).toMatchObject({ reason: 'fault-abort', durationMs: 5_000 });
    expect(app.accepted()).toBe(0);
    expect([
      counted(proxy, 'delays_injected'),
      counted(proxy, 'aborts_injected'),
      counted(proxy, 'active_faults'),
    ]).toEqual([1, 1, 0]);
  });

  it('by a header takes as long as that says', async () => {
    await using app = await echoUpstream('app');
    const clock = new FakeClock();
    await using proxy = await withFault(app, { delay: { faultDelaySecifier: delayByHeader, percentage: all } }, clock);
    expect(await get(proxy)).toBe(200);
    const answer = get(proxy, { 'x-envoy-fault-delay-request': '7000' });
    await waitFor(() => counted(proxy, 'active_faults') === 1, { what: 'the delay' });
    clock.advance(6_999);
    expect(counted(proxy, 'active_faults')).toBe(1);
    clock.advance(1);
    expect(await answer).toBe(200);
  });

  it('beyond the most at a time is none', async () => {
    await using app = await echoUpstream('app');
    const clock = new FakeClock();
    await using proxy = await withFault(
      app,
      { delay: { faultDelaySecifier: fixed(5n), percentage: all }, maxActiveFaults: 1 },
      clock,
    );
    const held = get(proxy);
    await waitFor(() => counted(proxy, 'active_faults') === 1, { what: 'the delay' });
    expect(await get(proxy)).toBe(200);
    expect(counted(proxy, 'faults_overflow')).toBe(1);
    clock.advance(5_000);
    expect(await held).toBe(200);
  });

  it('ends with a client that goes away', async () => {
    await using app = await echoUpstream('app');
    await using proxy = await withFault(app, { delay: { faultDelaySecifier: fixed(3600n), percentage: all } });
    const socket = connect(proxy.portOf('in'), '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nhost: h\r\n\r\n');
    await waitFor(() => counted(proxy, 'active_faults') === 1, { what: 'the delay' });
    socket.resetAndDestroy();
    await waitFor(() => counted(proxy, 'active_faults') === 0 && proxy.records.length === 1, { what: 'the end' });
    expect(app.accepted()).toBe(0);
  });

  it('that says nothing is refused', async () => {
    await using app = await echoUpstream('app');
    await using proxy = await startProxy(resourceSet({ clusters: [staticCluster('app', [app.port])] }));
    const update = (fault: Init) =>
      proxy.path.update(
        resourceSet({
          listeners: [
            listener('in', [
              httpChain(
                routes(toCluster('app', {}, { typedPerFilterConfig: { [FAULT]: pack(HTTPFaultSchema, fault) } })),
              ),
            ]),
          ],
        }),
      )[0]?.reason;
    expect(update({ delay: { percentage: all } })).toContain('fixed_delay');
    expect(update({ abort: { errorType: { case: 'httpStatus', value: 99 } } })).toContain('99');
  });
});
