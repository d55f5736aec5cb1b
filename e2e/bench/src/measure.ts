/** Rounds of load on one contender after the other, and what each cost. */
import { cpuNs, familyOf } from './cpu.ts';
import { percentile, runLoad, type LoadResult } from './load.ts';

/** One proxy, ready to serve. */
export interface Contender {
  readonly name: string;
  readonly version: string;
  readonly host: string;
  readonly port: number;
  readonly pid: number;
}

export interface Round {
  readonly usPerRequest: number;
  /** Share of one core that the proxy was busy, 0–1: near 1 it was the limit, below it load and backend were. */
  readonly busy: number;
  readonly rps: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface MeasureOptions {
  readonly rounds: number;
  readonly durationMs: number;
  readonly connections: number;
  /** Requests per second in all; absent: as many as go. */
  readonly rate?: number;
  readonly say: (text: string) => void;
}

const WARM_UP_MS = 3_000;
const AUTHORITY = 'backend:8000';

/** Rounds alternate between contenders, so that a noisy minute hits all of them; only one has load at a time. */
export async function measure(
  contenders: readonly Contender[],
  options: MeasureOptions,
): Promise<ReadonlyMap<string, readonly Round[]>> {
  const results = new Map<string, Round[]>(contenders.map(({ name }) => [name, []]));
  for (const contender of contenders) await load(contender, { ...options, durationMs: WARM_UP_MS });
  for (let number = 1; number <= options.rounds; number += 1) {
    for (const contender of contenders) {
      const round = await oneRound(contender, options);
      results.get(contender.name)?.push(round);
      options.say(
        `round ${number} ${contender.name}: ${round.usPerRequest.toFixed(1)} µs CPU a request, ${round.rps.toFixed(0)} requests/s`,
      );
    }
  }
  return results;
}

async function oneRound(contender: Contender, options: MeasureOptions): Promise<Round> {
  const pids = familyOf(contender.pid);
  const cpu = (): number => pids.reduce((sum, pid) => sum + Number(cpuNs(pid)), 0);
  const startMs = performance.now();
  const before = cpu();
  const result = await load(contender, options);
  const ns = cpu() - before;
  const elapsedMs = performance.now() - startMs;
  return {
    usPerRequest: ns / 1000 / result.requests,
    busy: ns / 1e6 / elapsedMs,
    rps: (result.requests / elapsedMs) * 1000,
    p50Ms: percentile(result.latencies, 0.5),
    p99Ms: percentile(result.latencies, 0.99),
  };
}

/** @throws when a single response was wrong: a figure counts only when the work was done. */
export async function load(
  contender: Contender,
  { durationMs, connections, rate }: Pick<MeasureOptions, 'durationMs' | 'connections' | 'rate'>,
): Promise<LoadResult> {
  const { host, port, name } = contender;
  const result = await runLoad({
    host,
    port,
    authority: AUTHORITY,
    connections,
    durationMs,
    ...(rate === undefined ? {} : { rate }),
  });
  if (result.requests === 0) throw new Error(`${name}: no request was answered`);
  if (result.failures > 0) throw new Error(`${name}: ${result.failures} of ${result.requests} requests failed`);
  return result;
}
