/** Rounds of load on one contender after the other, and what each cost. */
import { errorMessage } from '@weft/kit';
import { LOAD_CORE } from './lab/cores.ts';
import { cpuNs, familyOf } from './lab/cpu.ts';
import { answerBytes, runH2Load, type H2LoadShape } from './load/h2-load.ts';
import { percentile, runLoad, type LoadResult, type LoadShape } from './load/http1-load.ts';

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
  /** Of a request, or of each message where a case counts these. */
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
  /** Messages in a request, when these are what is counted. */
  readonly countsPerRequest: number;
  /** For files. */
  readonly dir: string;
  readonly say: (text: string) => void;
}

/** Until the code that a case uses is compiled; V8 does so beside the work. */
export const WARM_UP_MS = 2_500;

export interface Measured {
  readonly rounds: ReadonlyMap<string, readonly Round[]>;
  /** Contenders that have no figures, and why. */
  readonly failed: ReadonlyMap<string, string>;
}

/**
 * Rounds alternate between contenders, so that a noisy minute hits all of them; only one has load at a time. One that fails
 * once has no figures; the others go on.
 */
export async function measure(
  contenders: readonly Contender[],
  work: Work,
  options: MeasureOptions,
): Promise<Measured> {
  const rounds = new Map<string, Round[]>(contenders.map(({ name }) => [name, []]));
  const failed = new Map<string, string>();
  const rates = new Map<string, number>();
  const attempt = async (contender: Contender, what: () => Promise<void>): Promise<void> => {
    const { name } = contender;
    if (failed.has(name)) return;
    try {
      await what();
    } catch (error) {
      failed.set(name, errorMessage(error));
      rounds.delete(name);
      options.say(`    ${name} failed: ${errorMessage(error)}`);
    }
  };
  for (const contender of contenders) {
    await attempt(contender, async () => {
      const startMs = performance.now();
      const { requests } = await load(contender, work, { ...options, durationMs: WARM_UP_MS });
      rates.set(contender.name, (requests * 1000) / (performance.now() - startMs));
    });
  }
  for (let number = 1; number <= options.rounds; number += 1) {
    for (const contender of contenders) {
      await attempt(contender, async () => {
        const round = await oneRound(contender, work, options, rates.get(contender.name) ?? 0);
        rounds.get(contender.name)?.push(round);
        options.say(
          `    round ${number} of ${options.rounds}  ${contender.name}: ${round.usPerRequest.toFixed(1)} µs CPU, ${round.rps.toFixed(0)} requests/s`,
        );
      });
    }
  }
  return { rounds, failed };
}

async function oneRound(contender: Contender, work: Work, options: MeasureOptions, rate: number): Promise<Round> {
  const pids = contender.pids.flatMap(familyOf);
  const cpu = (): number => pids.reduce((sum, pid) => sum + Number(cpuNs(pid)), 0);
  const startMs = performance.now();
  const before = cpu();
  const endBeside = contender.beside?.();
  let done: { readonly result: LoadResult; readonly ns: number; readonly elapsedMs: number };
  try {
    const result = await load(contender, work, options, rate);
    done = { result, ns: cpu() - before, elapsedMs: performance.now() - startMs };
  } finally {
    await endBeside?.();
  }
  const { result, ns, elapsedMs } = done;
  const { requests, latencies } = result;
  return {
    usPerRequest: ns / 1000 / (requests * options.countsPerRequest),
    mbPerCpuSecond: (requests * bodyBytes(work)) / 1e6 / (ns / 1e9),
    busy: ns / 1e6 / elapsedMs,
    rps: (requests / elapsedMs) * 1000,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
  };
}

const bodyBytes = (work: Work): number =>
  'http1' in work
    ? work.http1.requestBytes + work.http1.responseBytes
    : work.http2.requestBytes + answerBytes(work.http2);

/**
 * @param rate what the contender manages, when that is known: over HTTP/2 so many requests are made that they take the time.
 * @throws when a single response was wrong: a figure counts only when the work was done.
 */
export async function load(
  { host, port, authority }: Contender,
  work: Work,
  { durationMs, pinned, dir }: Pick<MeasureOptions, 'durationMs' | 'pinned' | 'dir'>,
  rate?: number,
): Promise<LoadResult> {
  const target = { host, port, authority };
  if ('http1' in work) return checked(await runLoad({ ...work.http1, ...target, durationMs }));
  const { connections, streams } = work.http2;
  const seconds = durationMs / 1000;
  const until =
    rate === undefined ? { seconds } : { requests: Math.max(connections * streams, Math.round(rate * seconds)) };
  const launcher = pinned ? ['taskset', '-c', String(LOAD_CORE)] : [];
  const requests = await runH2Load({ ...work.http2, ...target, until }, dir, launcher);
  return checked({ requests, latencies: new Float64Array() });
}

function checked(result: LoadResult): LoadResult {
  if (result.requests === 0) throw new Error('no request was answered');
  return result;
}
