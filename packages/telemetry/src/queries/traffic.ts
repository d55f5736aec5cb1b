/** Windows over edges: rates, error shares, percentiles. */
import type { CodeRate, EdgeRates, TrafficRates } from '@weft/contracts';
import { COARSE, FINE, reachMs, type RingShape, windowSlots } from '../store/time-ring.ts';
import type { EdgeGroup, EdgeSeries, TrafficMetric } from './edge-groups.ts';
import { percentiles } from './percentiles.ts';

/** Which slots of which ring a query reads. */
export interface Window {
  readonly shape: RingShape;
  readonly first: number;
  readonly last: number;
  /** What rates are divided by: the time that was measured, which a young mesh has less of. */
  readonly lengthMs: number;
}

/** One process of a proxy, as far as it matters here; epoch milliseconds. */
export interface Measured {
  readonly startMs: number;
  readonly countedToMs: number;
}

/** The finest ring that still reaches back to the beginning of the window. */
export function windowOf(windowMs: number, atMs: number, nowMs: number, coveredMs = windowMs): Window {
  const shape = nowMs - (atMs - windowMs) <= reachMs(FINE) ? FINE : COARSE;
  const { lengthMs, ...slots } = windowSlots(shape, windowMs, atMs);
  return { shape, ...slots, lengthMs: coveredMs < windowMs ? coveredMs : lengthMs };
}

/** How much of a window was measured: since the first of the proxies began that counted anything in it. */
export function coveredMs(measured: Iterable<Measured>, windowMs: number, atMs: number): number {
  let sinceMs = Number.POSITIVE_INFINITY;
  for (const { startMs, countedToMs } of measured) {
    if (countedToMs > atMs - windowMs) sinceMs = Math.min(sinceMs, startMs);
  }
  const covered = atMs - sinceMs;
  return covered < windowMs && Number.isFinite(covered) ? Math.max(FINE.stepMs, covered) : windowMs;
}

export function ringOf({ series }: EdgeSeries, shape: RingShape) {
  return shape === FINE ? series.fine : series.coarse;
}

/** What came together in a window; rates come last, when all is added up. */
interface Sums {
  requests: number;
  errors: number;
  readonly codes: Map<string, { code: string; flags: string; grpcStatus: string; requests: number }>;
  /** Bounds → counts. Proxies of one age have one set of bounds. */
  readonly latency: Map<string, { readonly bounds: readonly number[]; readonly counts: number[] }>;
  requestBytes: number;
  responseBytes: number;
  sent: number;
  received: number;
  opened: number;
  closed: number;
  mutualTls: number;
  plaintext: number;
}

const newSums = (): Sums => ({
  requests: 0,
  errors: 0,
  codes: new Map(),
  latency: new Map(),
  requestBytes: 0,
  responseBytes: 0,
  sent: 0,
  received: 0,
  opened: 0,
  closed: 0,
  mutualTls: 0,
  plaintext: 0,
});

function addGroup(sums: Sums, group: EdgeGroup, window: Window): void {
  const first = (metric: TrafficMetric): number => {
    let total = 0;
    for (const item of group.series[metric]) total += sampleOf(item, window)[0] ?? 0;
    return total;
  };
  for (const item of group.series.requests) {
    const requests = sampleOf(item, window)[0] ?? 0;
    if (requests === 0) continue;
    sums.requests += requests;
    if (item.error) sums.errors += requests;
    addCode(sums, item, requests);
    addSecurity(sums, item, requests);
  }
  for (const item of group.series.tcpOpened) {
    const opened = sampleOf(item, window)[0] ?? 0;
    sums.opened += opened;
    addSecurity(sums, item, opened);
  }
  for (const item of group.series.tcpClosed) {
    const closed = sampleOf(item, window)[0] ?? 0;
    sums.closed += closed;
    if (closed > 0) addCode(sums, item, closed);
  }
  for (const item of group.series.duration) addLatency(sums, item, window);
  sums.requestBytes += first('requestBytes');
  sums.responseBytes += first('responseBytes');
  sums.sent += first('tcpSent');
  sums.received += first('tcpReceived');
}

function sampleOf(item: EdgeSeries, window: Window): Float64Array {
  const sample = new Float64Array(item.series.metric.width);
  ringOf(item, window.shape).sum(window.first, window.last, sample);
  return sample;
}

function addCode(sums: Sums, { code, flags, grpcStatus }: EdgeSeries, requests: number): void {
  const key = `${code} ${flags} ${grpcStatus}`;
  const known = sums.codes.get(key);
  if (known) known.requests += requests;
  else sums.codes.set(key, { code, flags, grpcStatus, requests });
}

function addSecurity(sums: Sums, { mutualTls }: EdgeSeries, count: number): void {
  if (mutualTls === true) sums.mutualTls += count;
  else if (mutualTls === false) sums.plaintext += count;
}

function addLatency(sums: Sums, item: EdgeSeries, window: Window): void {
  const sample = sampleOf(item, window);
  const { bounds } = item.series.metric;
  const key = bounds.join();
  let latency = sums.latency.get(key);
  if (!latency) {
    latency = { bounds, counts: Array.from({ length: bounds.length + 1 }, () => 0) };
    sums.latency.set(key, latency);
  }
  for (let i = 0; i < latency.counts.length; i += 1)
    latency.counts[i] = (latency.counts[i] ?? 0) + (sample[i + 1] ?? 0);
}

function ratesOf(sums: Sums, lengthMs: number): TrafficRates {
  const seconds = lengthMs / 1000;
  const latency = [...sums.latency.values()].sort((a, b) => total(b.counts) - total(a.counts))[0];
  const observed = latency && total(latency.counts) > 0 ? latency : undefined;
  return {
    requests: sums.requests,
    requestsPerSecond: sums.requests / seconds,
    errors: sums.errors,
    errorRate: sums.requests > 0 ? sums.errors / sums.requests : 0,
    latencyMs: observed && percentiles(observed.bounds, observed.counts),
    latency: observed && { boundsMs: observed.bounds, counts: observed.counts },
    requestBytesPerSecond: sums.requestBytes / seconds,
    responseBytesPerSecond: sums.responseBytes / seconds,
    tcp: {
      sentBytesPerSecond: sums.sent / seconds,
      receivedBytesPerSecond: sums.received / seconds,
      connectionsOpened: sums.opened,
      connectionsClosed: sums.closed,
    },
    codes: [...sums.codes.values()]
      .sort((a, b) => b.requests - a.requests || (a.code < b.code ? -1 : 1))
      .map(({ code, flags, grpcStatus, requests }): CodeRate => ({
        responseCode: code,
        responseFlags: flags,
        grpcStatus,
        requests,
        requestsPerSecond: requests / seconds,
      })),
  };
}

const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);

const hasTraffic = (sums: Sums): boolean =>
  sums.requests > 0 || sums.opened > 0 || sums.closed > 0 || sums.sent > 0 || sums.received > 0;

/** Pairs whose traffic the caller's side reported in the window. The callee's report of the same is the second view of it. */
function reportedBySource(groups: readonly EdgeGroup[], sums: ReadonlyMap<EdgeGroup, Sums>): ReadonlySet<string> {
  return new Set(groups.filter((group) => group.reporter === 'source' && sums.has(group)).map((group) => group.pair));
}

function sumsOf(groups: readonly EdgeGroup[], window: Window): ReadonlyMap<EdgeGroup, Sums> {
  const all = new Map<EdgeGroup, Sums>();
  for (const group of groups) {
    const sums = newSums();
    addGroup(sums, group, window);
    if (hasTraffic(sums)) all.set(group, sums);
  }
  return all;
}

/** Groups that carried traffic in the window, each request in one of them only. */
export function preferredGroups(groups: readonly EdgeGroup[], window: Window): readonly EdgeGroup[] {
  const sums = sumsOf(groups, window);
  const covered = reportedBySource(groups, sums);
  return [...sums.keys()].filter((group) => group.reporter === 'source' || !covered.has(group.pair));
}

export function edgeRates(groups: readonly EdgeGroup[], window: Window): readonly EdgeRates[] {
  const all = sumsOf(groups, window);
  const covered = reportedBySource(groups, all);
  // Only the receiving proxy knows how the request came; its count also serves the caller's view of the edge.
  const security = new Map<string, { mutualTls: number; plaintext: number }>();
  for (const [group, { mutualTls, plaintext }] of all) {
    const known = security.get(group.pair) ?? { mutualTls: 0, plaintext: 0 };
    security.set(group.pair, { mutualTls: known.mutualTls + mutualTls, plaintext: known.plaintext + plaintext });
  }
  return [...all].map(([group, sums]) => ({
    reporter: group.reporter,
    preferred: group.reporter === 'source' || !covered.has(group.pair),
    source: group.source,
    sourceApp: group.sourceApp,
    sourceVersion: group.sourceVersion,
    destination: group.destination,
    destinationApp: group.destinationApp,
    destinationVersion: group.destinationVersion,
    service: group.service,
    protocol: group.protocol,
    security: security.get(group.pair) ?? { mutualTls: 0, plaintext: 0 },
    sourcePrincipal: group.sourcePrincipal,
    destinationPrincipal: group.destinationPrincipal,
    ...ratesOf(sums, window.lengthMs),
  }));
}

/** All groups taken together. */
export function trafficRates(groups: readonly EdgeGroup[], window: Window): TrafficRates {
  const sums = newSums();
  for (const group of groups) addGroup(sums, group, window);
  return ratesOf(sums, window.lengthMs);
}
