/** `pnpm bench`: what requests cost through each proxy found here, side by side, in alternating rounds. */
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { errorMessage } from '@weft/kit';
import { LOAD_CORE, pin, PROXY_CORE, whyNotPinned } from './lab/cores.ts';
import { familyOf, memoryMb, nodeArgsOf } from './lab/cpu.ts';
import { createLab } from './lab/lab.ts';
import { load, measure, WARM_UP_MS } from './measure.ts';
import { scenarioText, summary, writeJson, type Run, type ScenarioFigures } from './report.ts';
import type { Case, Scenario } from './scenario.ts';
import { scenarios } from './scenarios/index.ts';
import type { CaseFigures, SidecarMemory } from './verdicts.ts';

const MEMORY_RPS = 1000;

const HELP = `usage: pnpm bench [SCENARIO…] [--rounds 7] [--seconds 2] [--memory-seconds 60] [--json FILE]

What a request costs (CPU of the proxies, from /proc) beside nginx, HAProxy and Envoy doing the same work, in alternating
rounds. Peers are used where they are found: nginx, haproxy and h2load on PATH, Envoy on PATH or in WEFT_ENVOY.

scenarios (all of them, when none is named; B3 is B3a, B3b and B3c):
${scenarios.map(({ id, title }) => `  ${id.padEnd(4)} ${title}`).join('\n')}

  --memory-seconds N  how long a sidecar is loaded with ${MEMORY_RPS} requests/s before its memory is read; 0 leaves it out
  --json FILE         also writes all rounds there, after each scenario
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '2' },
    'memory-seconds': { type: 'string', default: '60' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const rounds = positive('rounds', values.rounds);
const seconds = positive('seconds', values.seconds);
const memorySeconds = Number(values['memory-seconds']);
const wanted = chosen(positionals);
// npm and pnpm run scripts in the package's folder; the caller meant their own.
const json = values.json === undefined ? undefined : resolve(process.env['INIT_CWD'] ?? '.', values.json);

const missing = new Set<string>();
const unpinned = whyNotPinned();
if (unpinned === undefined) pin(process.pid, LOAD_CORE);
else missing.add(`proxies on a core of their own: ${unpinned}`);
let lab = createLab(say);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void lab.stop().then(() => process.exit(1)));

const startedMs = performance.now();
say(`${wanted.length} scenarios, about ${minutes(wanted.reduce((sum, one) => sum + expectedSeconds(one), 0))}`);
const results: ScenarioFigures[] = [];
for (const [index, scenario] of wanted.entries()) {
  const left = wanted.slice(index).reduce((sum, one) => sum + expectedSeconds(one), 0);
  say(
    `[${index + 1} of ${wanted.length}, ${minutes((performance.now() - startedMs) / 1000)} so far, about ${minutes(left)} to go]`,
  );
  const figures = await runScenario(scenario);
  results.push(figures);
  process.stdout.write(`${scenarioText(figures).join('\n')}\n`);
  if (json !== undefined) writeJson(json, runOf());
}
process.stdout.write(summary(runOf()));
process.exitCode = results.some(({ failed, cases }) => failed !== undefined || cases.some((one) => one.failed.size > 0))
  ? 1
  : 0;

function runOf(): Run {
  return {
    commit: commit(),
    seconds,
    rounds,
    pinned: unpinned === undefined,
    scenarios: results,
    missing: [...missing],
  };
}

/** In a lab of its own, so that nothing of one scenario runs beside the next; what fails in one is the end of that one only. */
async function runScenario(scenario: Scenario): Promise<ScenarioFigures> {
  say(`${scenario.id}  ${scenario.title}`);
  lab = createLab(say);
  const cases: CaseFigures[] = [];
  try {
    for (const measured of await scenario.stage(lab)) cases.push(await runCase(measured));
    return { scenario, cases };
  } catch (error) {
    return { scenario, cases, failed: errorMessage(error) };
  } finally {
    lab.missing.forEach((line) => missing.add(line));
    await lab.stop();
  }
}

async function runCase(measured: Case): Promise<CaseFigures> {
  say(`  ${measured.title}`);
  const { contenders, work, leastSeconds = 0, unit } = measured;
  const options = {
    rounds,
    durationMs: Math.max(seconds, leastSeconds) * 1000,
    pinned: unpinned === undefined,
    countsPerRequest: unit?.perRequest ?? 1,
    dir: lab.dir,
    say,
  };
  try {
    if (unpinned === undefined)
      for (const pid of contenders.flatMap(({ pids }) => pids.flatMap(familyOf))) pin(pid, PROXY_CORE);
    return { measured, ...(await measure(contenders, work, options)), memory: await measureMemory(measured) };
  } catch (error) {
    const failed = new Map(contenders.map(({ name }) => [name, errorMessage(error)]));
    return { measured, rounds: new Map(), memory: new Map(), failed };
  }
}

/** Of all at once: they have load of their own. */
async function measureMemory({ contenders, memoryOf = [], work }: Case): Promise<ReadonlyMap<string, SidecarMemory>> {
  const chosenOnes = contenders.filter(({ name }) => memoryOf.includes(name));
  if (chosenOnes.length === 0 || !('http1' in work) || !(memorySeconds > 0)) return new Map();
  say(`    memory: ${memorySeconds} s at ${MEMORY_RPS} requests/s each`);
  const options = { durationMs: memorySeconds * 1000, pinned: unpinned === undefined, dir: lab.dir };
  const steady = { http1: { ...work.http1, rate: MEMORY_RPS } };
  await Promise.all(chosenOnes.map((contender) => load(contender, steady, options)));
  return new Map(
    chosenOnes.map(({ name, pids: [pid = 0] }) => [
      name,
      { seconds: memorySeconds, ...memoryMb(pid), nodeArgs: nodeArgsOf(pid) },
    ]),
  );
}

function expectedSeconds({ loads, startSeconds }: Scenario): number {
  return startSeconds + loads * (WARM_UP_MS / 1000 + rounds * (seconds + 0.1));
}

function minutes(duration: number): string {
  return `${Math.floor(duration / 60)}:${String(Math.floor(duration % 60)).padStart(2, '0')} min`;
}

/** As git names it; empty where there is no git. */
function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty', '--abbrev=12'], { encoding: 'utf8' }).trim();
  } catch {
    return '';
  }
}

function chosen(names: readonly string[]): readonly Scenario[] {
  if (names.length === 0) return scenarios;
  return names.flatMap((name) => {
    const found = scenarios.filter(({ id }) => id.toLowerCase().startsWith(name.toLowerCase()));
    if (found.length > 0) return found;
    return usage(`there is no scenario "${name}"; there are ${scenarios.map(({ id }) => id).join(', ')}`);
  });
}

function positive(flag: string, value: string): number {
  const number = Number(value);
  return number > 0 ? number : usage(`--${flag} wants a number above 0, not "${value}"`);
}

function usage(message: string): never {
  process.stderr.write(`bench: ${message}\n`);
  process.exit(64);
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
