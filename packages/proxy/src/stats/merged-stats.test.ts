import { describe, expect, it } from 'vitest';
import type { RequestLabels } from '../ports.ts';
import { createSeriesCursor } from '../reporting/series-report.ts';
import { mergeStats } from './merged-stats.ts';
import { NameLogReader, NameLogWriter, reserveNames } from './name-log.ts';
import { prometheusPage } from './prometheus-page.ts';
import { createStats, reserveStats } from './stats.ts';
import { workloadOfMetadata } from './workload-labels.ts';

const SELF = workloadOfMetadata({ WORKLOAD_NAME: 'w', NAMESPACE: 'n' });
const LIMITS = { maxRequestSeries: 8, maxTcpSeries: 4, maxNamed: 64 };
const labels = (destinationService: string, protocol: RequestLabels['protocol'] = 'http'): RequestLabels => ({
  reporter: 'source',
  sourcePrincipal: '',
  destinationPrincipal: '',
  cluster: 'c',
  destinationService,
  destinationServiceName: 'é',
  destinationServiceNamespace: 'n',
  destinationWorkload: '',
  sourceWorkload: '',
  protocol,
  mutualTls: false,
  listener: 'l',
});

function process(workers: number) {
  const memories = Array.from({ length: workers }, () => reserveStats(LIMITS, reserveNames(64 * 1024)));
  const own = createStats(SELF, LIMITS);
  return { own, all: mergeStats(own, memories), workers: memories.map((memory) => createStats(SELF, { memory })) };
}
const requests = (page: string): number[] =>
  page
    .split('\n')
    .filter((line) => line.startsWith('istio_requests_total{'))
    .map((line) => Number(line.slice(line.lastIndexOf(' '))));

describe('numbers of several workers', () => {
  it('are sums by label set, in whatever order each met them', () => {
    const { all, workers } = process(2);
    const [a, b] = workers;
    for (const service of ['x', 'y']) a?.recordRequest(a.requestSlot(labels(service)), 200, 0, 3, 1, 2, -1);
    for (const service of ['y', 'z']) b?.recordRequest(b.requestSlot(labels(service)), 200, 0, 3, 1, 2, -1);
    a?.recordTcp(a.requestSlot(labels('x', 'tcp')), 1, 0, 5, 6);
    b?.recordTcp(b.requestSlot(labels('x', 'tcp')), 1, 1, 5, 6);
    const page = prometheusPage(all);
    expect(requests(page)).toEqual([1, 2, 1]);
    expect(page).toMatch(/istio_request_duration_milliseconds_sum{.*destination_service="y".*} 6\n/);
    expect(page).toMatch(/destination_service_name="é"/);
    expect(page).toMatch(/istio_tcp_connections_opened_total{.*} 2\n/);
    expect(page).toMatch(/istio_tcp_received_bytes_total{.*} 10\n/);
    // A name that comes later adds to what is there.
    a?.recordRequest(a.requestSlot(labels('z')), 200, 0, 3, 1, 2, -1);
    expect(requests(prometheusPage(all))).toEqual([1, 2, 2]);
    expect(all.valueOf('cluster.c.upstream_rq_total')).toBe(5);
  });

  it('are told to telemetry once each, as they change', () => {
    const { all, workers } = process(2);
    const [a, b] = workers;
    const cursor = createSeriesCursor(all);
    a?.recordRequest(a.requestSlot(labels('x')), 200, 0, 3, 1, 2, -1);
    expect(cursor.next().counterValues).toEqual([1]);
    b?.recordRequest(b.requestSlot(labels('x')), 200, 0, 3, 1, 2, -1);
    b?.recordRequest(b.requestSlot(labels('y')), 200, 0, 3, 1, 2, -1);
    const { counterValues, histograms } = cursor.next();
    expect(counterValues).toEqual([2, 1]);
    expect(histograms[0]?.sum).toBe(6);
    expect(cursor.next().counterValues).toEqual([]);
  });

  it('named ones are sums, with those of the main thread, and begin anew when asked', () => {
    const { own, all, workers } = process(2);
    own.add(own.counter('n'), 1);
    for (const worker of workers) {
      worker.add(worker.counter('n'), 2);
      worker.set(worker.gauge('g'), 4);
    }
    expect(all.named()).toEqual([
      { name: 'g', kind: 'gauge', value: 8 },
      { name: 'n', kind: 'counter', value: 5 },
    ]);
    all.resetCounters();
    expect([all.valueOf('n'), all.valueOf('g'), all.valueOf('nothing')]).toEqual([0, 8, 0]);
    const [a] = workers;
    a?.add(a.counter('n'), 1);
    expect(all.valueOf('n')).toBe(1);
  });

  it('keep their sums when a worker has more label sets than room', () => {
    const { all, workers } = process(2);
    for (const worker of workers) {
      for (let i = 0; i < 20; i += 1) worker.recordRequest(worker.requestSlot(labels(`s${i}`)), 200, 0, 3, 1, 2, -1);
    }
    expect(requests(prometheusPage(all)).reduce((sum, one) => sum + one, 0)).toBe(40);
    expect(all.overflowed()).toBeGreaterThan(0);
  });
});

describe('a log of names', () => {
  it('takes what it has room for', () => {
    const memory = reserveNames(26);
    const [writer, reader] = [new NameLogWriter(memory), new NameLogReader(memory)];
    writer.append('counter', 7, 'ü');
    expect([...reader.read()]).toEqual([['counter', 7, 'ü']]);
    writer.append('gauge', 8, 'too long for it');
    writer.append('tcp', 0, 'short');
    expect([...reader.read()]).toEqual([['tcp', 0, 'short']]);
    expect(reader.overflowed).toBe(1);
  });
});
