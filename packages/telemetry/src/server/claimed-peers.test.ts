import { create } from '@bufbuild/protobuf';
import {
  LogEntrySchema,
  MetricDefinitionSchema,
  ReportRequestSchema,
  SeriesDefinitionSchema,
  type ReportRequest,
} from '@weft/contracts/full/weft/telemetry/v1/telemetry';
import { describe, expect, it } from 'vitest';
import { MetricsStore } from '../store/metrics-store.ts';
import { hello } from '../testing/fake-proxy.ts';
import { bindClaims } from './claimed-peers.ts';

const NAMES = [
  'reporter',
  'source_workload',
  'source_workload_namespace',
  'source_principal',
  'source_app',
  'source_version',
  'response_code',
];
const spiffe = (account: string): string => `spiffe://cluster.local/ns/default/sa/${account}`;
const claim = (workload: string, account: string, reporter = 'destination'): string[] => [
  reporter,
  workload,
  'default',
  account === '' ? 'unknown' : spiffe(account),
  'app-of-claim',
  'v1',
  '200',
];
const ACCOUNTS: Readonly<Record<string, string>> = {
  'reviews-v1': 'bookinfo-reviews',
  'ratings-v1': 'bookinfo-ratings',
};
const accountOf = (namespace: string, workload: string) => (namespace === 'default' ? ACCOUNTS[workload] : undefined);

const report = (...series: readonly string[][]): ReportRequest =>
  create(ReportRequestSchema, {
    sequence: 1,
    metrics: [create(MetricDefinitionSchema, { id: 1, name: 'istio_requests_total', labelNames: NAMES })],
    series: series.map((labelValues, index) =>
      create(SeriesDefinitionSchema, { id: index + 1, metric: 1, labelValues }),
    ),
  });

const session = () => new MetricsStore(100).session(hello(), 0);

describe('claims of callers', () => {
  it('a name that the registry knows as another account’s is not repeated; others are', () => {
    const request = report(
      claim('reviews-v1', 'bookinfo-reviews'),
      claim('ratings-v1', 'bookinfo-reviews'),
      claim('newcomer', 'bookinfo-reviews'),
      claim('ratings-v1', 'bookinfo-reviews', 'source'),
      claim('ratings-v1', ''),
    );
    bindClaims(session(), request, accountOf);
    expect(request.series.map(({ labelValues }) => labelValues.slice(1, 6))).toEqual([
      ['reviews-v1', 'default', spiffe('bookinfo-reviews'), 'app-of-claim', 'v1'],
      ['unknown', 'default', spiffe('bookinfo-reviews'), 'unknown', 'unknown'],
      ['newcomer', 'default', spiffe('bookinfo-reviews'), 'app-of-claim', 'v1'],
      ['ratings-v1', 'default', spiffe('bookinfo-reviews'), 'app-of-claim', 'v1'],
      ['ratings-v1', 'default', 'unknown', 'app-of-claim', 'v1'],
    ]);
  });
  it('a series keeps its meaning when the registry learns or forgets, so that its proxy may define it again', () => {
    const store = new MetricsStore(100);
    const own = store.session(hello(), 0);
    const first = report(claim('ratings-v1', 'bookinfo-reviews'), claim('newcomer', 'bookinfo-reviews'));
    bindClaims(own, first, accountOf);
    store.apply(own, first, 1);
    for (const later of [() => undefined, () => 'bookinfo-ratings']) {
      const again = report(claim('ratings-v1', 'bookinfo-reviews'), claim('newcomer', 'bookinfo-reviews'));
      bindClaims(own, again, later);
      expect(again.series.map(({ labelValues }) => labelValues[1])).toEqual(['unknown', 'newcomer']);
      expect(() => store.apply(own, again, 2)).not.toThrow();
    }
  });
  it('log entries follow the same rule', () => {
    const request = create(ReportRequestSchema, {
      sequence: 1,
      logs: ['reviews-v1', 'ratings-v1'].map((peerWorkload) =>
        create(LogEntrySchema, { peerWorkload, peerNamespace: 'default', sourcePrincipal: spiffe('bookinfo-reviews') }),
      ),
    });
    bindClaims(session(), request, accountOf);
    expect(request.logs.map(({ peerWorkload }) => peerWorkload)).toEqual(['reviews-v1', 'unknown']);
  });
});
