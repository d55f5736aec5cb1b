/** Rounds of load on one contender after the other, and what each cost. */
import { LOAD_CORE } from './lab/cores.ts';
import { cpuNs, familyOf } from './lab/cpu.ts';
import { runH2Load, type H2LoadShape } from './h2-load.ts';
import { percentile, runLoad, type LoadShape } from './load.ts';

/** One proxy, or a pair of them, ready to serve. */
export interface Contender {
  readonly name: string;
  readonly version: string;
  readonly host: string;
  readonly port: number;
  readonly authority: string;
  /** What is measured, each with all its children; none for a direct way. */
  readonly pids: readonly number[];
  /** What goes on beside the load of this one. @returns how to end it; that throws when something in it went wrong. */
  readonly beside?: () => () => Promise<void>;
}

export type Work = { readonly http1: LoadShape } | { readonly http2: H2LoadShape };

export interface Round {
  readonly usPerRequest: number;
  /** Bodies of both directions, in MB (10⁶), per second of CPU. */
  readonly mbPerCpuSecond: number;
  /** Cores' worth of time that the proxies were busy; near 1 for one proxy it was the limit, below it load and backend were. */
  readonly busy: number;
  readonly rps: number;
  /** From the intended send time where a rate is set; NaN over HTTP/2, where h2load does not tell. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface MeasureOptions {
  readonly rounds: number;
  readonly durationMs: number;
  readonly pinned: boolean;
  /** For files. */
  readonly dir: string;
  readonly say: (text: string) => void;
}

const WARM_UP_MS = 3_000;

/** Rounds alternate between contenders, so that a noisy minute hits all of them; only one has load at a time. */
export async function measure(
  contenders: readonly Contender[],
  work: Work,
  options: MeasureOptions,
): Promise<ReadonlyMap<string, readonly Round[]>> {
  const results = new Map<string, Round[]>(contenders.map(({ name }) => [name, []]));
  for (const contender of contenders) await load(contender, work, { ...options, durationMs: WARM_UP_MS });
  for (let number = 1; number <= options.rounds; number += 1) {
    for (const contender of contenders) {
      const round = await oneRound(contender, work, options);
      results.get(contender.name)?.push(round);
      options.say(
        `  round ${number} ${contender.name}: ${round.usPerRequest.toFixed(1)} µs CPU a request, ${round.rps.toFixed(0)} requests/s`,
      );
    }
  }
  return results;
}

async function oneRound(contender: Contender, work: Work, options: MeasureOptions): Promise<Round> {
  const pids = contender.pids.flatMap(familyOf);
  const cpu = (): number => pids.reduce((sum, pid) => sum + Number(cpuNs(pid)), 0);
  const startMs = performance.now();
  const before = cpu();
  const endBeside = contender.beside?.();
  const { requests, latencies } = await load(contender, work, options);
  const ns = cpu() - before;
  const elapsedMs = performance.now() - startMs;
  await endBeside?.();
  return {
    usPerRequest: ns / 1000 / requests,
    mbPerCpuSecond: (requests * bodyBytes(work)) / 1e6 / (ns / 1e9),
    busy: ns / 1e6 / elapsedMs,
    rps: (requests / elapsedMs) * 1000,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
  };
}

const bodyBytes = (work: Work): number =>
  'http1' in work ? work.http1.requestBytes + work.http1.responseBytes : work.http2.responseBytes;

/** @throws when a single response was wrong: a figure counts only when the work was done. */
export async function load(
  { host, port, name, authority }: Contender,
  work: Work,
  { durationMs, pinned, dir }: Pick<MeasureOptions, 'durationMs' | 'pinned' | 'dir'>,
): Promise<{ readonly requests: number; readonly latencies: Float64Array }> {
  const target = { host, port, authority, durationMs };
  const result =
    'http1' in work
      ? await runLoad({ ...work.http1, ...target })
      : {
          ...(await runH2Load({ ...work.http2, ...target }, dir, pinned ? ['taskset', '-c', String(LOAD_CORE)] : [])),
          latencies: new Float64Array(),
        };
  if (result.requests === 0) throw new Error(`${name}: no request was answered`);
  if (result.failures > 0) throw new Error(`${name}: ${result.failures} of ${result.requests} requests failed`);
  return result;
}
