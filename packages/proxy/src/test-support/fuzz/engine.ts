import type { Random } from '@weft/kit';
import { seededRandom } from '@weft/kit';
import { Finding, type FuzzTarget } from './fuzz-target.ts';
import { Mutator } from './mutator.ts';

export interface FuzzOptions {
  readonly seed: number;
  /** How many inputs to make; and when to stop, whatever was made. */
  readonly inputs: number;
  readonly seconds: number;
  /** Milliseconds that only go forward. */
  readonly now: () => number;
  /** Before each input, for whoever watches over hangs. */
  readonly onInput?: (input: Buffer) => void;
  readonly onProgress?: (progress: FuzzProgress) => void;
}

export interface FuzzProgress {
  readonly inputs: number;
  readonly seconds: number;
  /** Inputs that behaved as none before. */
  readonly behaviours: number;
  readonly slowestMs: number;
}

export interface FuzzResult extends FuzzProgress {
  readonly failure: { readonly input: Buffer; readonly error: unknown; readonly number: number } | undefined;
}

const BATCH = 256;
const MAX_BASES = 1024;
// Short ones are as good and quicker.
const MAX_BASE_BYTES = 1024;
const MAX_BEHAVIOURS = 100_000;

/** Runs the corpus as it is, and then changed inputs until something fails or the time is up. */
export async function fuzz(target: FuzzTarget, corpus: readonly Buffer[], options: FuzzOptions): Promise<FuzzResult> {
  const { seed, inputs, seconds, now, onInput, onProgress } = options;
  const random = seededRandom(seed);
  const mutator = new Mutator(target, random);
  const bases = corpus.length === 0 ? [Buffer.alloc(0)] : [...corpus];
  const behaviours = new Set<string>();
  const startMs = now();
  let count = 0;
  let slowestMs = 0;
  let lastMs = startMs;
  const progress = (): FuzzProgress => ({
    inputs: count,
    seconds: (now() - startMs) / 1000,
    behaviours: behaviours.size,
    slowestMs,
  });
  while (count < inputs && lastMs - startMs < seconds * 1000) {
    for (let i = Math.min(BATCH, inputs - count); i > 0; i -= 1) {
      const input = count < corpus.length ? (corpus[count] ?? EMPTY) : mutator.next(bases);
      count += 1;
      onInput?.(input);
      let behaviour: string;
      try {
        behaviour = target.run(input);
      } catch (error) {
        return { ...progress(), failure: failureOf(input, error, count) };
      }
      const nowMs = now();
      if (nowMs - lastMs > slowestMs) slowestMs = nowMs - lastMs;
      lastMs = nowMs;
      if (behaviours.has(behaviour) || behaviours.size >= MAX_BEHAVIOURS) continue;
      behaviours.add(behaviour);
      if (input.length <= MAX_BASE_BYTES) keep(bases, input, corpus.length, random);
    }
    try {
      await target.settle?.();
    } catch (error) {
      return { ...progress(), failure: failureOf(EMPTY, error, count) };
    }
    await new Promise((resolve) => setImmediate(resolve));
    onProgress?.(progress());
    lastMs = now();
  }
  return { ...progress(), failure: undefined };
}

function failureOf(input: Buffer, error: unknown, number: number): FuzzResult['failure'] {
  return { input: Buffer.from(error instanceof Finding ? error.input : input), error, number };
}

/** @param kept how many bases stay for ever. */
function keep(bases: Buffer[], input: Buffer, kept: number, random: Random): void {
  if (bases.length < MAX_BASES) bases.push(Buffer.from(input));
  else bases[kept + random.int(bases.length - kept)] = Buffer.from(input);
}

const EMPTY = Buffer.alloc(0);
