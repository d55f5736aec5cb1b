/** Sums of measurements, and what is read from them. Pure. */
import type { CodeCount, MtlsState, TrafficView } from '@weft/contracts/console-views';
import type { LatencyCounts, TrafficProtocol } from '@weft/contracts';
import type { CallStats, CodeStats } from '../views/calls.ts';

/** What several calls add up to. */
export interface Tally {
  readonly requests: number;
  readonly errors: number;
  readonly codes: readonly CodeStats[];
  readonly latency: LatencyCounts | undefined;
  readonly bytesPerSecond: number;
  readonly mutualTls: number;
  readonly plaintext: number;
  readonly protocols: ReadonlySet<TrafficProtocol>;
}

/** How a request ended, as numbers; `grpcStatus` is 0 where it is none. */
export interface Outcome {
  /** 0 for no answer; 200 for a TCP connection that went well. */
  readonly code: number;
  readonly grpcStatus: number;
}

export function tallyOf(calls: readonly CallStats[]): Tally {
  const codes = new Map<string, CodeStats>();
  const protocols = new Set<TrafficProtocol>();
  let [requests, errors, bytesPerSecond, mutualTls, plaintext] = [0, 0, 0, 0, 0];
  for (const call of calls) {
    requests += call.requests;
    errors += call.errors;
    bytesPerSecond += call.bytesPerSecond;
    mutualTls += call.security.mutualTls;
    plaintext += call.security.plaintext;
    protocols.add(call.protocol);
    for (const code of call.codes) {
      const key = `${code.code}|${code.flag}|${code.grpcStatus}`;
      codes.set(key, { ...code, requests: code.requests + (codes.get(key)?.requests ?? 0) });
    }
  }
  const latency = mergeLatency(calls.flatMap((call) => call.latency ?? []));
  return { requests, errors, codes: [...codes.values()], latency, bytesPerSecond, mutualTls, plaintext, protocols };
}

/** Proxies of one mesh share their bounds; what has others is left out rather than mixed in wrongly. */
export function mergeLatency(all: readonly LatencyCounts[]): LatencyCounts | undefined {
  const [first] = all;
  if (!first) return undefined;
  const counts = first.counts.map(() => 0);
  for (const { boundsMs, counts: more } of all) {
    if (boundsMs.length !== first.boundsMs.length) continue;
    for (const [i, count] of more.entries()) counts[i] = (counts[i] ?? 0) + count;
  }
  return { boundsMs: first.boundsMs, counts };
}

/** Linear inside the bucket, as Prometheus does; beyond the last bound, that bound. @param q 0–1. */
export function quantile({ boundsMs, counts }: LatencyCounts, q: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const rank = q * total;
  let before = 0;
  for (const [i, count] of counts.entries()) {
    const lower = i === 0 ? 0 : (boundsMs[i - 1] ?? 0);
    const upper = boundsMs[i];
    if (count > 0 && before + count >= rank)
      return upper === undefined ? lower : lower + ((upper - lower) * (rank - before)) / count;
    before += count;
  }
  return 0;
}

function outcomeOf({ code, flag, grpcStatus }: CodeStats): Outcome {
  const number = code === '' ? (flag === '-' ? 200 : 0) : Number.parseInt(code, 10);
  return { code: Number.isNaN(number) ? 0 : number, grpcStatus: Number.parseInt(grpcStatus, 10) || 0 };
}

export const countCodes = (tally: Tally, matches: (outcome: Outcome) => boolean): number =>
  tally.codes.reduce((sum, code) => (matches(outcomeOf(code)) ? sum + code.requests : sum), 0);

const round = (value: number, digits: number): number => Number(value.toFixed(digits));
const percentOf = (part: number, whole: number): number => (whole === 0 ? 0 : round((part / whole) * 100, 2));

/** @param measuredMs that the counts are of. */
export function trafficOf(tally: Tally, measuredMs: number): TrafficView {
  const { latency } = tally;
  return {
    requestsPerSecond: round(tally.requests / (measuredMs / 1000), 3),
    requests: tally.requests,
    errorPercent: percentOf(tally.errors, tally.requests),
    ...(latency && latency.counts.some((count) => count > 0)
      ? {
          latencyMs: {
            p50: round(quantile(latency, 0.5), 2),
            p95: round(quantile(latency, 0.95), 2),
            p99: round(quantile(latency, 0.99), 2),
          },
        }
      : {}),
    ...(tally.protocols.has('tcp') ? { bytesPerSecond: round(tally.bytesPerSecond, 1) } : {}),
  };
}

/** Most frequent first. */
export function codesOf(tally: Tally, measuredMs: number): readonly CodeCount[] {
  return tally.codes
    .toSorted((a, b) => b.requests - a.requests || (a.code < b.code ? -1 : 1))
    .map(({ code, flag, grpcStatus, requests }) => ({
      code: code === '' ? 'TCP' : code === '0' ? '-' : code,
      flag,
      ...(grpcStatus === '' ? {} : { grpcStatus }),
      requestsPerSecond: round(requests / (measuredMs / 1000), 3),
    }));
}

/** Which share came under mutual TLS, and the word for it. */
export function mtlsOf({ mutualTls, plaintext }: Tally): { readonly mtls: MtlsState; readonly mtlsPercent: number } {
  if (mutualTls + plaintext === 0) return { mtls: 'unknown', mtlsPercent: 0 };
  const mtlsPercent = percentOf(mutualTls, mutualTls + plaintext);
  if (plaintext === 0) return { mtls: 'mutual', mtlsPercent };
  return { mtls: mutualTls === 0 ? 'plaintext' : 'mixed', mtlsPercent };
}
