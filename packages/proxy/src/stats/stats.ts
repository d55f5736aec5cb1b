import type { FlagSet } from '../response-flags.ts';
import type { RequestLabels, StatsSink } from '../ports.ts';
import {
  BUCKET_BOUNDS,
  MESSAGE_COUNTERS,
  overflowLabelValues,
  peerLabelValues,
  REQUEST_HISTOGRAMS,
  requestLabelValues,
  TCP_COUNTERS,
  tcpLabelValues,
} from './standard-metrics.ts';
import { NOT_GRPC } from '../filters/http/grpc.ts';
import { NameLogWriter } from './name-log.ts';
import type { WorkloadLabels } from './workload-labels.ts';

export interface StatsLimits {
  /** Series of HTTP requests: label sets times codes and flags. Default 4096. */
  readonly maxRequestSeries?: number;
  /** Default 2048. */
  readonly maxTcpSeries?: number;
  /** Named counters and gauges. Default 65536. */
  readonly maxNamed?: number;
}

export interface StatsOptions extends StatsLimits {
  /** Where a worker counts, for the main thread to read. Default: memory of its own. */
  readonly memory?: StatsMemory;
  /** SPIFFE id of this proxy; empty until it has one. */
  readonly ownPrincipal?: () => string;
}

const BUCKETS = BUCKET_BOUNDS.length + 1;
/** A histogram: its sum, then its buckets. */
export const HISTOGRAM_CELLS = BUCKETS + 1;
/** Where in a request series the messages of gRPC are. */
export const MESSAGE_CELLS = 1 + REQUEST_HISTOGRAMS.length * HISTOGRAM_CELLS;
/** A request series: its count, its histograms, then messages. */
export const REQUEST_CELLS = MESSAGE_CELLS + MESSAGE_COUNTERS.length;
export const TCP_CELLS = TCP_COUNTERS.length;
const BYTES = 8;

export interface StatsMemory {
  readonly request: SharedArrayBuffer;
  readonly tcp: SharedArrayBuffer;
  readonly named: SharedArrayBuffer;
  /** What the cells stand for, where another thread reads them. */
  readonly names: SharedArrayBuffer | undefined;
}

/** Reserved at once and used page by page. */
export const reserveStats = (
  { maxRequestSeries = 4096, maxTcpSeries = 2048, maxNamed = 65_536 }: StatsLimits,
  names: SharedArrayBuffer | undefined,
): StatsMemory => ({
  request: new SharedArrayBuffer(maxRequestSeries * REQUEST_CELLS * BYTES),
  tcp: new SharedArrayBuffer(maxTcpSeries * TCP_CELLS * BYTES),
  named: new SharedArrayBuffer(maxNamed * BYTES),
  names,
});

// A slot holds its kind in the lowest bit, so that one number space serves requests and TCP.
const TCP_BIT = 1;

interface RequestSlot {
  readonly labels: RequestLabels;
  readonly peer: readonly string[];
  /** By code, flags and gRPC status. */
  readonly targets: Map<number, Target>;
  lastKey: number;
  last: Target | undefined;
}

/** Where one kind of outcome is counted. */
interface Target {
  /** First cell of its series. */
  readonly base: number;
  /** Envoy's counters of the cluster and the listener. */
  readonly counters: readonly number[];
}

/** One set of cells with its label values; `base` is the first cell. */
export interface Series {
  readonly labels: readonly string[];
  readonly base: number;
}

export interface NamedStat {
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  readonly value: number;
}

/**
 * All numbers of a proxy, in typed arrays over shared memory: a worker adds to cells that it owns, the main thread reads
 * them.
 */
export interface Stats extends StatsSink {
  /** Brings in what others counted, before cells and series are read; those of this thread are always up to date. */
  refresh(): void;
  readonly requestCells: Float64Array;
  readonly requestSeries: readonly Series[];
  readonly tcpCells: Float64Array;
  readonly tcpSeries: readonly Series[];
  named(): NamedStat[];
  /** Named counters begin at 0 again; series, which are sent as cumulative values, do not. */
  resetCounters(): void;
  valueOf(name: string): number;
  /** Label sets, and named values, that found no room and were counted together. */
  overflowed(): number;
}

export function createStats(self: WorkloadLabels, options: StatsOptions = {}): Stats {
  const { memory = reserveStats(options, undefined), ownPrincipal = () => '' } = options;
  const requestCells = new Float64Array(memory.request);
  const tcpCells = new Float64Array(memory.tcp);
  const namedCells = new Float64Array(memory.named);
  const [maxRequestSeries, maxTcpSeries] = [requestCells.length / REQUEST_CELLS, tcpCells.length / TCP_CELLS];
  const maxNamed = namedCells.length;
  const names = memory.names === undefined ? undefined : new NameLogWriter(memory.names);
  const requestSeries: Series[] = [];
  const tcpSeries: Series[] = [];
  const requestSlots: RequestSlot[] = [];
  const slotNumbers = new Map<string, number>();
  const seriesNumbers = new Map<string, number>();
  const namedNumbers = new Map<string, number>();
  const kinds: ('counter' | 'gauge')[] = [];
  let overflowed = 0;
  const overflow = (): void => {
    overflowed += 1;
    names?.countOverflow();
  };

  /** The number of these label values; the last number is kept for what comes after the limit. */
  const seriesOf = (
    list: Series[],
    labels: readonly string[],
    cells: number,
    max: number,
    spare: readonly string[],
  ): number => {
    const key = `${cells}\n${labels.join('\n')}`;
    const former = seriesNumbers.get(key);
    if (former !== undefined) return former;
    if (list.length >= max - 1) {
      overflow();
      if (list.length === max - 1) {
        list.push({ labels: spare, base: (max - 1) * cells });
        names?.append(list === tcpSeries ? 'tcp' : 'request', max - 1, JSON.stringify(spare));
      }
      seriesNumbers.set(key, max - 1);
      return max - 1;
    }
    const number = list.length;
    list.push({ labels, base: number * cells });
    names?.append(list === tcpSeries ? 'tcp' : 'request', number, JSON.stringify(labels));
    seriesNumbers.set(key, number);
    return number;
  };

  const findTarget = (slot: RequestSlot, key: number, code: number, flags: FlagSet, grpcStatus: number): Target => {
    let target = slot.targets.get(key);
    if (target === undefined) {
      const spare = requestLabelValues(overflowLabelValues(slot.labels), 0, 0, NOT_GRPC);
      const values = requestLabelValues(slot.peer, code, flags, grpcStatus);
      const series = seriesOf(requestSeries, values, REQUEST_CELLS, maxRequestSeries, spare);
      target = {
        base: series * REQUEST_CELLS,
        counters: envoyNames(slot.labels, code).map((name) => named(name, 'counter')),
      };
      slot.targets.set(key, target);
    }
    slot.lastKey = key;
    slot.last = target;
    return target;
  };

  const observe = (base: number, value: number): void => {
    requestCells[base] = (requestCells[base] ?? 0) + value;
    let bucket = 0;
    while (bucket < BUCKETS - 1 && value > (BUCKET_BOUNDS[bucket] ?? 0)) bucket += 1;
    const cell = base + 1 + bucket;
    requestCells[cell] = (requestCells[cell] ?? 0) + 1;
  };

  const named = (name: string, kind: 'counter' | 'gauge'): number => {
    const former = namedNumbers.get(name);
    if (former !== undefined) return former;
    if (kinds.length >= maxNamed) {
      overflow();
      namedNumbers.set(name, maxNamed - 1);
      return maxNamed - 1;
    }
    const number = kinds.length;
    kinds.push(kind);
    names?.append(kind, number, name);
    namedNumbers.set(name, number);
    return number;
  };

  const takeSlot = (labels: RequestLabels): number => {
    if (labels.protocol === 'tcp') {
      const values = tcpLabelValues(peerLabelValues(labels, self, ownPrincipal()));
      const spare = tcpLabelValues(overflowLabelValues(labels));
      return (seriesOf(tcpSeries, values, TCP_CELLS, maxTcpSeries, spare) << 1) | TCP_BIT;
    }
    requestSlots.push({
      labels,
      peer: peerLabelValues(labels, self, ownPrincipal()),
      targets: new Map(),
      lastKey: -1,
      last: undefined,
    });
    return (requestSlots.length - 1) << 1;
  };

  return {
    refresh: () => {},
    requestCells,
    requestSeries,
    tcpCells,
    tcpSeries,
    requestSlot(labels) {
      const key = JSON.stringify([labels.cluster, labels.listener, ...peerLabelValues(labels, self, ownPrincipal())]);
      const former = slotNumbers.get(key);
      if (former !== undefined) return former;
      // Beyond the limit new label sets share a slot; those that have one keep it.
      if (slotNumbers.size >= maxRequestSeries) {
        const spare = JSON.stringify(overflowLabelValues(labels));
        const slot = slotNumbers.get(spare) ?? takeSlot(otherLabels(labels));
        slotNumbers.set(spare, slot);
        overflow();
        return slot;
      }
      const slot = takeSlot(labels);
      slotNumbers.set(key, slot);
      return slot;
    },
    recordRequest(
      slot,
      code,
      flags,
      durationMs,
      requestBytes,
      responseBytes,
      grpcStatus,
      requestMessages = 0,
      responseMessages = 0,
    ) {
      const entry = requestSlots[slot >> 1];
      if (entry === undefined) return;
      // Flags use 26 bits; the product stays an exact integer.
      const key = ((grpcStatus + 1) * 1000 + code) * 0x400_0000 + flags;
      const known = entry.lastKey === key ? entry.last : undefined;
      const { base, counters } = known ?? findTarget(entry, key, code, flags, grpcStatus);
      observe(base + 1, durationMs);
      observe(base + 1 + HISTOGRAM_CELLS, requestBytes);
      observe(base + 1 + 2 * HISTOGRAM_CELLS, responseBytes);
      if (grpcStatus !== NOT_GRPC) {
        const messages = base + MESSAGE_CELLS;
        requestCells[messages] = (requestCells[messages] ?? 0) + requestMessages;
        requestCells[messages + 1] = (requestCells[messages + 1] ?? 0) + responseMessages;
      }
      // Last: who reads from another thread takes a new count for a sign that the rest is there.
      requestCells[base] = (requestCells[base] ?? 0) + 1;
      for (const counter of counters) namedCells[counter] = (namedCells[counter] ?? 0) + 1;
    },
    recordTcp(slot, opened, closed, receivedBytes, sentBytes) {
      if ((slot & TCP_BIT) === 0) return;
      const base = (slot >> 1) * TCP_CELLS;
      tcpCells[base] = (tcpCells[base] ?? 0) + opened;
      tcpCells[base + 1] = (tcpCells[base + 1] ?? 0) + closed;
      tcpCells[base + 2] = (tcpCells[base + 2] ?? 0) + receivedBytes;
      tcpCells[base + 3] = (tcpCells[base + 3] ?? 0) + sentBytes;
    },
    counter: (name) => named(name, 'counter'),
    gauge: (name) => named(name, 'gauge'),
    add(slot, by) {
      namedCells[slot] = (namedCells[slot] ?? 0) + by;
    },
    set(slot, value) {
      namedCells[slot] = value;
    },
    named: () =>
      [...namedNumbers]
        .map(([name, slot]) => ({ name, kind: kinds[slot] ?? 'counter', value: namedCells[slot] ?? 0 }))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    valueOf(name) {
      const slot = namedNumbers.get(name);
      return slot === undefined ? 0 : (namedCells[slot] ?? 0);
    },
    resetCounters() {
      kinds.forEach((kind, slot) => {
        if (kind === 'counter') namedCells[slot] = 0;
      });
    },
    overflowed: () => overflowed,
  };
}

/** Envoy's names for one outcome. */
function envoyNames({ cluster, listener }: RequestLabels, code: number): string[] {
  const kind = code >= 100 && code < 600 ? `${Math.floor(code / 100)}xx` : '';
  const named = (scope: string): string[] =>
    kind === '' ? [`${scope}_total`] : [`${scope}_total`, `${scope}_${kind}`];
  const http = listener === '' ? [] : named(`http.${listener}.downstream_rq`);
  if (cluster === '' || cluster === '-') return http;
  const upstream = `cluster.${cluster}.upstream_rq`;
  return [...http, ...named(upstream), ...(kind === '' ? [] : [`${upstream}_${code}`])];
}

const otherLabels = (labels: RequestLabels): RequestLabels => ({
  ...labels,
  cluster: '-',
  listener: '',
  sourcePrincipal: 'other',
  destinationPrincipal: 'other',
  destinationService: 'other',
  destinationServiceName: 'other',
  destinationServiceNamespace: 'other',
  destinationWorkload: 'other;other;other;other;other',
  sourceWorkload: 'other;other;other;other;other',
});
