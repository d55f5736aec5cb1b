import { describe, expect, it } from 'vitest';
import type { RequestLabels } from '../ports.ts';
import { flagBit } from '../response-flags.ts';
import { prometheusName, prometheusPage } from './prometheus-page.ts';
import { createStats } from './stats.ts';
import { formatWorkload, parseWorkload, workloadOfMetadata } from './workload-labels.ts';

const SELF = workloadOfMetadata({
  WORKLOAD_NAME: 'productpage-v1',
  NAMESPACE: 'default',
  CLUSTER_ID: 'local',
  LABELS: { app: 'productpage', version: 'v1' },
});
const labels = (given: Partial<RequestLabels> = {}): RequestLabels => ({
  reporter: 'source',
  sourcePrincipal: 'spiffe://cluster.local/ns/default/sa/bookinfo-productpage',
  destinationPrincipal: 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews',
  cluster: 'outbound|9080||reviews.default.svc.cluster.local',
  destinationService: 'reviews.default.svc.cluster.local',
  destinationServiceName: 'reviews',
  destinationServiceNamespace: 'default',
  destinationWorkload: 'reviews-v2;default;reviews;v2;local',
  sourceWorkload: '',
  protocol: 'http',
  mutualTls: true,
  listener: '127.66.1.2_9080',
  ...given,
});
const lineOf = (page: string, name: string): string => page.split('\n').find((line) => line.startsWith(name)) ?? '';

describe('workload labels', () => {
  it('fall back from canonical names to labels to the workload', () => {
    expect(workloadOfMetadata({ WORKLOAD_NAME: 'w', NAMESPACE: 'n' })).toMatchObject({
      canonicalService: 'w',
      canonicalRevision: 'latest',
      app: 'w',
      version: 'latest',
    });
    expect(
      workloadOfMetadata({
        WORKLOAD_NAME: 'w',
        LABELS: { app: 'a', version: 'v', 'service.istio.io/canonical-name': 'c', 'app.kubernetes.io/version': 'k' },
      }),
    ).toMatchObject({ canonicalService: 'c', canonicalRevision: 'k', app: 'a', version: 'v' });
    expect(workloadOfMetadata({ LABELS: 'no object' })).toMatchObject({ canonicalService: '', workload: '' });
  });
  it('survive the text form', () => {
    expect(parseWorkload(formatWorkload(SELF))).toEqual(SELF);
  });
});

describe('request statistics', () => {
  it('count by code and flags with all standard labels', () => {
    const stats = createStats(SELF);
    const slot = stats.requestSlot(labels());
    expect(stats.requestSlot(labels())).toBe(slot);
    stats.recordRequest(slot, 200, 0, 3, 0, 1024, -1);
    stats.recordRequest(slot, 200, 0, 7, 0, 1024, -1);
    stats.recordRequest(slot, 503, flagBit('UH'), 0.1, 0, 19, -1);
    stats.recordRequest(slot, 200, 0, 3, 0, 1024, 14);
    stats.recordRequest(slot, 200, 0, 3, 0, 1024, 17);
    const page = prometheusPage(stats);
    expect(lineOf(page, 'istio_requests_total')).toBe(
      'istio_requests_total{reporter="source",source_workload="productpage-v1",source_workload_namespace="default",' +
        'source_canonical_service="productpage",source_canonical_revision="v1",' +
        'source_principal="spiffe://cluster.local/ns/default/sa/bookinfo-productpage",source_app="productpage",source_version="v1",source_cluster="local",' +
        'destination_workload="reviews-v2",destination_workload_namespace="default",destination_principal="spiffe://cluster.local/ns/default/sa/bookinfo-reviews",' +
        'destination_app="reviews",destination_version="v2",destination_canonical_service="reviews",destination_canonical_revision="v2",destination_cluster="local",' +
        'destination_service="reviews.default.svc.cluster.local",destination_service_name="reviews",destination_service_namespace="default",' +
        'request_protocol="http",connection_security_policy="unknown",response_code="200",grpc_response_status="",response_flags="-"} 2',
    );
    expect(page).toMatch(/response_code="503",grpc_response_status="",response_flags="UH"} 1/);
    expect(page).toMatch(
      /request_protocol="grpc".*response_code="200",grpc_response_status="14",response_flags="-"} 1/,
    );
    expect(page).toMatch(/request_protocol="grpc".*response_code="200",grpc_response_status="",response_flags="-"} 1/);
    expect(page).toMatch(/istio_request_duration_milliseconds_bucket{.*"http".*response_code="200".*le="5"} 1/);
    expect(page).toMatch(/istio_request_duration_milliseconds_bucket{.*"http".*response_code="200".*le="10"} 2/);
    expect(page).toMatch(/istio_request_duration_milliseconds_sum{.*"http".*response_code="200".*} 10/);
    expect(page).toMatch(/istio_response_bytes_count{.*"http".*response_code="200".*} 2/);
  });
  it("one series for what differs in listener and cluster alone, and Envoy's counters for each", () => {
    const stats = createStats(SELF);
    for (const cluster of ['outbound|9080|v1|r', 'outbound|9080|v2|r']) {
      const slot = stats.requestSlot(labels({ cluster, listener: 'l' }));
      stats.recordRequest(slot, 200, 0, 1, 0, 0, -1);
      stats.recordRequest(slot, 503, 0, 1, 0, 0, -1);
    }
    stats.recordRequest(stats.requestSlot(labels({ cluster: '-', listener: 'l' })), 0, 0, 1, 0, 0, -1);
    expect(prometheusPage(stats)).toMatch(/istio_requests_total{.*response_code="200".*} 2\n/);
    expect(stats.named().map(({ name, value }) => `${name} ${value}`)).toEqual([
      'cluster.outbound|9080|v1|r.upstream_rq_200 1',
      'cluster.outbound|9080|v1|r.upstream_rq_2xx 1',
      'cluster.outbound|9080|v1|r.upstream_rq_503 1',
      'cluster.outbound|9080|v1|r.upstream_rq_5xx 1',
      'cluster.outbound|9080|v1|r.upstream_rq_total 2',
      'cluster.outbound|9080|v2|r.upstream_rq_200 1',
      'cluster.outbound|9080|v2|r.upstream_rq_2xx 1',
      'cluster.outbound|9080|v2|r.upstream_rq_503 1',
      'cluster.outbound|9080|v2|r.upstream_rq_5xx 1',
      'cluster.outbound|9080|v2|r.upstream_rq_total 2',
      'http.l.downstream_rq_2xx 2',
      'http.l.downstream_rq_5xx 2',
      'http.l.downstream_rq_total 5',
    ]);
  });
  it('a server names its caller by what the caller told', () => {
    const stats = createStats(SELF);
    const slot = stats.requestSlot(
      labels({ reporter: 'destination', destinationWorkload: '', sourceWorkload: 'gw;weft-system;gw;latest;local' }),
    );
    stats.recordRequest(slot, 200, 0, 1, 0, 0, -1);
    expect(lineOf(prometheusPage(stats), 'istio_requests_total')).toMatch(
      /reporter="destination",source_workload="gw".*destination_workload="productpage-v1".*connection_security_policy="mutual_tls"/,
    );
  });
  it('shows its own identity where the connection was secure', () => {
    const stats = createStats(SELF, { ownPrincipal: () => 'spiffe://me' });
    const seen = (given: Partial<RequestLabels>): readonly string[] => {
      stats.recordRequest(
        stats.requestSlot(labels({ sourcePrincipal: '', destinationPrincipal: '', ...given })),
        200,
        0,
        1,
        0,
        0,
        -1,
      );
      const last = stats.requestSeries.at(-1)?.labels ?? [];
      return [last[5] ?? '', last[11] ?? ''];
    };
    expect(seen({ reporter: 'source' })).toEqual(['spiffe://me', 'unknown']);
    expect(seen({ reporter: 'destination' })).toEqual(['unknown', 'spiffe://me']);
    expect(seen({ reporter: 'source', mutualTls: false })).toEqual(['unknown', 'unknown']);
  });
  it('counts TCP by connection', () => {
    const stats = createStats(SELF);
    const slot = stats.requestSlot(labels({ protocol: 'tcp' }));
    stats.recordTcp(slot, 1, 0, 0, 0);
    stats.recordTcp(slot, 0, 0, 10, 20);
    stats.recordTcp(slot, 0, 1, 1, 2);
    const page = prometheusPage(stats);
    for (const [name, value] of [
      ['connections_opened', 1],
      ['connections_closed', 1],
      ['received_bytes', 11],
      ['sent_bytes', 22],
    ]) {
      expect(lineOf(page, `istio_tcp_${name}_total`)).toMatch(new RegExp(`request_protocol="tcp".*} ${value}$`));
    }
    expect(page).not.toContain('response_code');
  });
  it('keeps sums when there are more label sets than room, and says so', () => {
    const stats = createStats(SELF, { maxRequestSeries: 4, maxTcpSeries: 3 });
    for (let i = 0; i < 10; i += 1) {
      stats.recordRequest(stats.requestSlot(labels({ destinationService: `s${i}` })), 200, 0, 1, 0, 0, -1);
      stats.recordTcp(stats.requestSlot(labels({ protocol: 'tcp', destinationService: `t${i}` })), 1, 0, 0, 0);
    }
    const total = (name: string): number =>
      prometheusPage(stats)
        .split('\n')
        .filter((line) => line.startsWith(`${name}{`))
        .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
    expect(total('istio_requests_total')).toBe(10);
    expect(total('istio_tcp_connections_opened_total')).toBe(10);
    expect(stats.requestSeries.length).toBeLessThanOrEqual(4);
    expect(stats.overflowed()).toBeGreaterThan(0);
  });
  it('ignores a slot of the wrong kind', () => {
    const stats = createStats(SELF);
    stats.recordTcp(stats.requestSlot(labels()), 1, 1, 1, 1);
    stats.recordRequest(12_345, 200, 0, 1, 1, 1, -1);
    expect(prometheusPage(stats)).toBe('');
  });
});

describe('named values', () => {
  it('share a slot by name', () => {
    const stats = createStats(SELF, { maxNamed: 3 });
    const total = stats.counter('cluster.a.upstream_cx_total');
    expect(stats.counter('cluster.a.upstream_cx_total')).toBe(total);
    stats.add(total, 2);
    stats.set(stats.gauge('cluster.a.upstream_cx_active'), 7);
    for (const name of ['x', 'y']) stats.add(stats.counter(name), 1);
    expect(stats.named().map(({ name, value }) => [name, value])).toEqual([
      ['cluster.a.upstream_cx_active', 7],
      ['cluster.a.upstream_cx_total', 2],
      ['x', 2],
      ['y', 2],
    ]);
    expect(stats.overflowed()).toBe(1);
    expect(stats.valueOf('x')).toBe(2);
    expect(stats.valueOf('nothing')).toBe(0);
  });
  it.each([
    [
      'cluster.outbound|9080||reviews.default.svc.cluster.local.upstream_rq_2xx',
      'envoy_cluster_upstream_rq_xx',
      { envoy_response_code_class: '2', envoy_cluster_name: 'outbound|9080||reviews.default.svc.cluster.local' },
    ],
    [
      'cluster.a.b.upstream_rq_503',
      'envoy_cluster_upstream_rq',
      { envoy_response_code: '503', envoy_cluster_name: 'a.b' },
    ],
    [
      'cluster.a.b.circuit_breakers.default.rq_open',
      'envoy_cluster_circuit_breakers_default_rq_open',
      { envoy_cluster_name: 'a.b' },
    ],
    [
      'listener.127.0.0.1_80.downstream_cx_total',
      'envoy_listener_downstream_cx_total',
      { envoy_listener_address: '127.0.0.1_80' },
    ],
    [
      'listener.127.0.0.1_80.refused.downstream-tls-failure',
      'envoy_listener_refused_total',
      { envoy_listener_address: '127.0.0.1_80', reason: 'downstream-tls-failure' },
    ],
    [
      'http.inbound_9080.downstream_rq_total',
      'envoy_http_downstream_rq_total',
      { envoy_http_conn_manager_prefix: 'inbound_9080' },
    ],
    ['server.live', 'envoy_server_live', {}],
    ['weft.stats_overflow_total', 'weft_stats_overflow_total', {}],
  ])('%s', (name, metric, tags) => {
    expect(prometheusName(name)).toEqual({ metric, tags: Object.entries(tags) });
  });
});
