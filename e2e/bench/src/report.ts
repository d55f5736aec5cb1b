/** The figures as a table for people and as JSON for what comes later. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { dirname } from 'node:path';
import type { Contender, Round } from './measure.ts';

export interface SidecarMemory {
  readonly seconds: number;
  /** Pages shared with other processes counted by share. */
  readonly pssMb: number;
  /** All of its pages, Node's own code included. */
  readonly rssMb: number;
  readonly nodeArgs: readonly string[];
}

export interface Figures {
  readonly contenders: readonly Contender[];
  readonly rounds: ReadonlyMap<string, readonly Round[]>;
  readonly connections: number;
  readonly seconds: number;
  /** undefined = as many as go. */
  readonly rate: number | undefined;
  readonly pinned: boolean;
  readonly memory: SidecarMemory | undefined;
  /** What was not measured and why. */
  readonly missing: readonly string[];
}

/** NaN for an empty list. */
export function median(list: readonly number[]): number {
  const sorted = list.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  return (at(Math.ceil(sorted.length / 2) - 1) + at(Math.floor(sorted.length / 2))) / 2;
}

export function summarize({ contenders, rounds }: Figures) {
  const rows = contenders.map(({ name, version }) => {
    const list = rounds.get(name) ?? [];
    const pick = (figure: keyof Round): number => median(list.map((round) => round[figure]));
    return {
      name,
      version,
      usPerRequest: pick('usPerRequest'),
      busy: pick('busy'),
      rps: pick('rps'),
      p50Ms: pick('p50Ms'),
      p99Ms: pick('p99Ms'),
    };
  });
  const own = rounds.get('weft') ?? [];
  return rows.map((row) => ({
    ...row,
    // Of neighbouring rounds, so that what disturbs one disturbs the other too.
    weftRatio: median(
      (rounds.get(row.name) ?? []).map((round, i) => (own[i]?.usPerRequest ?? Number.NaN) / round.usPerRequest),
    ),
  }));
}

export function table(figures: Figures): string {
  const { connections, seconds, rate, memory, missing } = figures;
  const count = figures.rounds.get('weft')?.length ?? 0;
  const load = rate === undefined ? 'closed loop' : `${rate} requests/s`;
  const rows = [
    ['proxy', 'µs CPU/request', 'weft ÷ it', 'requests/s', 'core busy', 'p50 ms', 'p99 ms', 'version'],
    ...summarize(figures).map((row) => [
      row.name,
      row.usPerRequest.toFixed(1),
      row.weftRatio.toFixed(2),
      row.rps.toFixed(0),
      `${(row.busy * 100).toFixed(0)} %`,
      row.p50Ms.toFixed(2),
      row.p99Ms.toFixed(2),
      row.version,
    ]),
  ];
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return [
    `HTTP/1.1 plain, 1 KB, keep-alive, ${connections} connections, one route, ${load}; medians of ${count} rounds of ${seconds} s`,
    `${cpus().length} cores, Node ${process.version}${figures.pinned ? ', proxy on a core of its own' : ''}`,
    '',
    ...rows.map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    ),
    '',
    ...(memory === undefined
      ? []
      : [
          `memory of one sidecar: ${memory.pssMb.toFixed(1)} MB PSS (${memory.rssMb.toFixed(1)} MB RSS) after ${memory.seconds} s at 1 000 requests/s (node ${memory.nodeArgs.join(' ')})`,
        ]),
    ...missing.map((text) => `not measured: ${text}`),
    '',
  ].join('\n');
}

export function writeJson(file: string, figures: Figures): void {
  const { connections, seconds, rate, pinned, memory, missing } = figures;
  const value = {
    machine: { cores: cpus().length, cpu: cpus()[0]?.model, kernel: release(), node: process.version, pinned },
    load: { connections, seconds, rate: rate ?? 'closed loop', bodyBytes: 1024 },
    proxies: summarize(figures),
    memory,
    missing,
    rounds: Object.fromEntries(figures.rounds),
  };
  const rounded = (_: string, item: unknown): unknown =>
    typeof item === 'number' ? Math.round(item * 1000) / 1000 : item;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(value, rounded, 1)}\n`);
}
