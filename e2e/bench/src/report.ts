/** The figures as tables for people and as JSON for what comes later. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { dirname } from 'node:path';
import type { Round } from './measure.ts';
import { goalsFor, type Case, type Goal, type Scenario } from './scenario.ts';

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
  readonly memory: SidecarMemory | undefined;
}

export interface ScenarioFigures {
  readonly scenario: Scenario;
  readonly cases: readonly CaseFigures[];
  /** Why it gave no figures. */
  readonly failed?: string;
}

export interface Run {
  readonly seconds: number;
  readonly rounds: number;
  readonly pinned: boolean;
  readonly scenarios: readonly ScenarioFigures[];
  /** What was not measured and why. */
  readonly missing: readonly string[];
}

const FIGURES: Readonly<Record<Goal['figure'], string>> = {
  usPerRequest: 'CPU/request',
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

const pick = (rounds: readonly Round[], figure: keyof Round): number => median(rounds.map((round) => round[figure]));

interface Verdict {
  readonly goal: string;
  readonly ratio: number;
  readonly reached: boolean;
}

/** The median of the ratios of neighbouring rounds, so that what disturbs one disturbs the other too. */
function judge({ measured, rounds }: CaseFigures): readonly Verdict[] {
  return goalsFor(measured.contenders, measured.goals).map(({ figure, of, against, most, least }) => {
    const others = rounds.get(against) ?? [];
    const ratio = median(
      (rounds.get(of) ?? []).map((round, index) => round[figure] / (others[index]?.[figure] ?? Number.NaN)),
    );
    const bound = most === undefined ? `≥ ${least}` : `≤ ${most}`;
    return {
      goal: `${FIGURES[figure]} of ${of} ÷ ${against}, wanted ${bound}`,
      ratio,
      reached: most === undefined ? ratio >= (least ?? 0) : ratio <= most,
    };
  });
}

export function text(run: Run): string {
  return [
    `${cpus().length} cores, Node ${process.version}${run.pinned ? ', proxies on a core of their own' : ''}; medians of ${run.rounds} rounds of ${run.seconds} s`,
    ...run.scenarios.flatMap(scenarioText),
    '',
    ...run.missing.map((line) => `not measured: ${line}`),
    '',
  ].join('\n');
}

function scenarioText({ scenario, cases, failed }: ScenarioFigures): string[] {
  return [
    '',
    `${scenario.id}  ${scenario.title}`,
    ...(failed === undefined ? [] : [`  no figures: ${failed}`]),
    ...cases.flatMap((figures) => [`  ${figures.measured.title}`, ...table(figures), ...verdicts(figures), '']),
  ];
}

function table({ measured, rounds }: CaseFigures): string[] {
  const number = (value: number, digits: number): string => (Number.isFinite(value) ? value.toFixed(digits) : '–');
  const rows = [
    ['', 'µs CPU/request', 'MB per CPU s', 'requests/s', 'cores busy', 'p50 ms', 'p99 ms', 'version'],
    ...measured.contenders.map(({ name, version, pids }) => {
      const own = rounds.get(name) ?? [];
      const cpu = pids.length > 0;
      return [
        name,
        cpu ? number(pick(own, 'usPerRequest'), 1) : '–',
        cpu ? number(pick(own, 'mbPerCpuSecond'), 0) : '–',
        number(pick(own, 'rps'), 0),
        cpu ? number(pick(own, 'busy'), 2) : '–',
        number(pick(own, 'p50Ms'), 2),
        number(pick(own, 'p99Ms'), 2),
        version,
      ];
    }),
  ];
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => `    ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd());
}

function verdicts(figures: CaseFigures): string[] {
  const { memory } = figures;
  return [
    ...judge(figures).map(
      ({ goal, ratio, reached }) => `    ${reached ? 'reached' : 'MISSED '}  ${ratio.toFixed(2)}  ${goal}`,
    ),
    ...(memory === undefined
      ? []
      : [
          `    memory of one sidecar: ${memory.pssMb.toFixed(1)} MB PSS (${memory.rssMb.toFixed(1)} MB RSS) after ${memory.seconds} s at 1 000 requests/s (node ${memory.nodeArgs.join(' ')})`,
        ]),
  ];
}

export function writeJson(file: string, run: Run): void {
  const { seconds, rounds, pinned, missing } = run;
  const value = {
    machine: { cores: cpus().length, cpu: cpus()[0]?.model, kernel: release(), node: process.version, pinned },
    seconds,
    rounds,
    scenarios: run.scenarios.map(({ scenario, cases, failed }) => ({
      id: scenario.id,
      title: scenario.title,
      ...(failed === undefined ? {} : { failed }),
      cases: cases.map((figures) => ({
        title: figures.measured.title,
        work: figures.measured.work,
        proxies: Object.fromEntries(
          figures.measured.contenders.map(({ name, version }) => [
            name,
            { version, rounds: figures.rounds.get(name) ?? [] },
          ]),
        ),
        goals: judge(figures),
        ...(figures.memory === undefined ? {} : { memory: figures.memory }),
      })),
    })),
    missing,
  };
  const rounded = (_: string, item: unknown): unknown =>
    typeof item === 'number' ? Math.round(item * 1000) / 1000 : item;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(value, rounded, 1)}\n`);
}
