/** The figures as tables for people and as JSON for what comes later. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { dirname } from 'node:path';
import type { Round } from './measure.ts';
import type { Scenario } from './scenario.ts';
import { judge, median, type CaseFigures, type Verdict } from './verdicts.ts';

export interface ScenarioFigures {
  readonly scenario: Scenario;
  readonly cases: readonly CaseFigures[];
  /** Why it gave no figures. */
  readonly failed?: string;
}

export interface Run {
  readonly commit: string;
  readonly seconds: number;
  readonly rounds: number;
  readonly pinned: boolean;
  readonly scenarios: readonly ScenarioFigures[];
  /** What was not measured and why. */
  readonly missing: readonly string[];
}

const pick = (rounds: readonly Round[], figure: keyof Round): number => median(rounds.map((round) => round[figure]));

/** What is said at the end, after all scenarios. */
export function summary(run: Run): string {
  const verdicts = run.scenarios.flatMap(({ cases }) => cases.flatMap(judge));
  const failed = run.scenarios.flatMap(({ failed: why, cases }) => [
    ...(why === undefined ? [] : [why]),
    ...cases.flatMap((one) => [...one.failed.values()]),
  ]);
  return [
    `${cpus().length} cores, Node ${process.version}${run.pinned ? ', proxies on a core of their own' : ''}; medians of ${run.rounds} rounds of ${run.seconds} s; ${run.commit}`,
    `${verdicts.filter(({ reached }) => reached).length} of ${verdicts.length} goals reached; ${failed.length} without figures`,
    ...run.missing.map((line) => `not measured: ${line}`),
    '',
  ].join('\n');
}

export function scenarioText({ scenario, cases, failed }: ScenarioFigures): string[] {
  return [
    '',
    `${scenario.id}  ${scenario.title}`,
    ...(failed === undefined ? [] : [`  no figures: ${failed}`]),
    ...cases.flatMap((figures) => [
      `  ${figures.measured.title}`,
      ...table(figures),
      ...[...figures.failed].map(([name, why]) => `    no figures of ${name}: ${why.split('\n', 1)[0] ?? ''}`),
      ...memoryLines(figures),
      ...judge(figures).map(verdictLine),
      '',
    ]),
  ];
}

const verdictLine = ({ goal, value, reached, missedBy }: Verdict): string =>
  `    ${reached ? 'reached' : 'MISSED '}  ${value.toFixed(2)}  ${goal}${reached ? '' : ` (by ${(missedBy * 100).toFixed(0)} %)`}`;

function table({ measured, rounds }: CaseFigures): string[] {
  const number = (value: number, digits: number): string => (Number.isFinite(value) ? value.toFixed(digits) : '–');
  const unit = measured.unit?.name ?? 'request';
  const rows = [
    ['', `µs CPU/${unit}`, 'MB per CPU s', 'requests/s', 'cores busy', 'p50 ms', 'p99 ms', 'version'],
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

const memoryLines = ({ memory }: CaseFigures): string[] =>
  [...memory].map(
    ([name, { pssMb, rssMb, seconds, nodeArgs }]) =>
      `    memory, ${name}: ${pssMb.toFixed(1)} MB PSS (${rssMb.toFixed(1)} MB RSS) after ${seconds} s at 1 000 requests/s (node ${nodeArgs.join(' ')})`,
  );

export function writeJson(file: string, run: Run): void {
  const { commit, seconds, rounds, pinned, missing } = run;
  const value = {
    commit,
    machine: { cores: cpus().length, cpu: cpus()[0]?.model, kernel: release(), node: process.version, pinned },
    seconds,
    rounds,
    scenarios: run.scenarios.map(({ scenario, cases, failed }) => ({
      id: scenario.id,
      title: scenario.title,
      ...(failed === undefined ? {} : { failed }),
      cases: cases.map((figures) => ({
        title: figures.measured.title,
        ...(figures.failed.size === 0 ? {} : { failed: Object.fromEntries(figures.failed) }),
        work: figures.measured.work,
        ...(figures.measured.unit === undefined ? {} : { unit: figures.measured.unit }),
        proxies: Object.fromEntries(
          figures.measured.contenders.map(({ name, version }) => [
            name,
            { version, rounds: figures.rounds.get(name) ?? [] },
          ]),
        ),
        goals: judge(figures),
        ...(figures.memory.size === 0 ? {} : { memory: Object.fromEntries(figures.memory) }),
      })),
    })),
    missing,
  };
  const rounded = (_: string, item: unknown): unknown =>
    typeof item === 'number' ? Math.round(item * 1000) / 1000 : item;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(value, rounded, 1)}\n`);
}
