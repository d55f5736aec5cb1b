/** Whether goals were reached, and by how much they were missed. */
import type { Round } from './measure.ts';
import { among, type Case, type Goal } from './scenario.ts';

export interface SidecarMemory {
  readonly seconds: number;
  /** Pages shared with other processes counted by share. */
  readonly pssMb: number;
  /** All of its pages, Node's own code included. */
  readonly rssMb: number;
  readonly nodeArgs: readonly string[];
}

export interface CaseFigures {
  readonly measured: Case;
  readonly rounds: ReadonlyMap<string, readonly Round[]>;
  readonly memory: ReadonlyMap<string, SidecarMemory>;
  /** Contenders without figures, and why. */
  readonly failed: ReadonlyMap<string, string>;
}

export interface Verdict {
  readonly goal: string;
  /** A ratio, or MB. */
  readonly value: number;
  readonly reached: boolean;
  /** 0 when it is reached; 0.1 = a tenth of what is wanted. */
  readonly missedBy: number;
}

const FIGURES: Readonly<Record<Goal['figure'], string>> = {
  usPerRequest: 'CPU',
  mbPerCpuSecond: 'bytes per CPU second',
  busy: 'busy',
  rps: 'requests/s',
  p50Ms: 'p50',
  p99Ms: 'p99',
};

/** NaN for an empty list. */
export function median(list: readonly number[]): number {
  const sorted = list.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  return (at(Math.ceil(sorted.length / 2) - 1) + at(Math.floor(sorted.length / 2))) / 2;
}

/** The median of the ratios of neighbouring rounds, so that what disturbs one disturbs the other too. */
export function judge({ measured, rounds, memory }: CaseFigures): readonly Verdict[] {
  const ratios = among(measured.contenders, measured.goals).map(({ figure, of, against, most, least }) => {
    const others = rounds.get(against) ?? [];
    const ratio = median(
      (rounds.get(of) ?? []).map((round, index) => round[figure] / (others[index]?.[figure] ?? Number.NaN)),
    );
    const goal = `${FIGURES[figure]} of ${of} ÷ ${against}, wanted ${most === undefined ? `≥ ${least}` : `≤ ${most}`}`;
    return most === undefined ? atLeast(goal, ratio, least ?? 0) : atMost(goal, ratio, most);
  });
  const held = among(measured.contenders, measured.memoryGoals ?? []).map(({ of, against, most }) => {
    const own = memory.get(of)?.pssMb ?? Number.NaN;
    return against === undefined
      ? atMost(`MB of ${of}, wanted ≤ ${most}`, own, most)
      : atMost(
          `memory of ${of} ÷ ${against}, wanted ≤ ${most}`,
          own / (memory.get(against)?.pssMb ?? Number.NaN),
          most,
        );
  });
  return [...ratios, ...held].filter(({ value }) => !Number.isNaN(value));
}

const atMost = (goal: string, value: number, most: number): Verdict => verdict(goal, value, value / most - 1);
const atLeast = (goal: string, value: number, least: number): Verdict => verdict(goal, value, 1 - value / least);
const verdict = (goal: string, value: number, over: number): Verdict => ({
  goal,
  value,
  reached: over <= 0,
  missedBy: Math.max(0, over),
});
