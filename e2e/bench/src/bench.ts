/** `pnpm bench`: what requests cost through each proxy found here, side by side, in alternating rounds. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { errorMessage } from '@weft/kit';
import { LOAD_CORE, pin, PROXY_CORE, whyNotPinned } from './lab/cores.ts';
import { familyOf, memoryMb, nodeArgsOf } from './lab/cpu.ts';
import { createLab } from './lab/lab.ts';
import { load, measure } from './measure.ts';
import { text, writeJson, type CaseFigures, type ScenarioFigures, type SidecarMemory } from './report.ts';
import type { Case, Scenario } from './scenario.ts';
import { scenarios } from './scenarios/index.ts';

const MEMORY_RPS = 1000;

const HELP = `usage: pnpm bench [SCENARIO…] [--rounds 7] [--seconds 3] [--memory-seconds 60] [--json FILE]

What a request costs (CPU of the proxies, from /proc) beside nginx, HAProxy and Envoy doing the same work, in alternating
rounds. Peers are used where they are found: nginx, haproxy and h2load on PATH, Envoy on PATH or in WEFT_ENVOY.

scenarios (all of them, when none is named):
${scenarios.map(({ id, title }) => `  ${id.padEnd(4)} ${title}`).join('\n')}

  --memory-seconds N  how long a sidecar is loaded with ${MEMORY_RPS} requests/s before its memory is read; 0 leaves it out
  --json FILE         also writes all rounds there
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '3' },
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

const missing = new Set<string>();
const unpinned = whyNotPinned();
if (unpinned === undefined) pin(process.pid, LOAD_CORE);
else missing.add(`proxies on a core of their own: ${unpinned}`);
let lab = createLab(say);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void lab.stop().then(() => process.exit(1)));

const results: ScenarioFigures[] = [];
for (const scenario of wanted) results.push(await runScenario(scenario));
const run = { seconds, rounds, pinned: unpinned === undefined, scenarios: results, missing: [...missing] };
process.stdout.write(text(run));
// npm and pnpm run scripts in the package's folder; the caller meant their own.
if (values.json) writeJson(resolve(process.env['INIT_CWD'] ?? '.', values.json), run);
process.exitCode = results.some(({ failed }) => failed !== undefined) ? 1 : 0;

/** In a lab of its own, so that nothing of one scenario runs beside the next. */
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
    lab.missing.forEach((text) => missing.add(text));
    await lab.stop();
  }
}

async function runCase(measured: Case): Promise<CaseFigures> {
  say(`  ${measured.title}`);
  if (unpinned === undefined)
    for (const pid of measured.contenders.flatMap(({ pids }) => pids.flatMap(familyOf))) pin(pid, PROXY_CORE);
  const options = { rounds, durationMs: seconds * 1000, pinned: unpinned === undefined, dir: lab.dir, say };
  return {
    measured,
    rounds: await measure(measured.contenders, measured.work, options),
    memory: await measureMemory(measured),
  };
}

async function measureMemory({ contenders, memoryOf, work }: Case): Promise<SidecarMemory | undefined> {
  const contender = contenders.find(({ name }) => name === memoryOf);
  const pid = contender?.pids[0];
  if (contender === undefined || pid === undefined || !('http1' in work) || !(memorySeconds > 0)) return undefined;
  say(`  memory of ${contender.name}: ${memorySeconds} s at ${MEMORY_RPS} requests/s`);
  const options = { durationMs: memorySeconds * 1000, pinned: unpinned === undefined, dir: lab.dir };
  await load(contender, { http1: { ...work.http1, rate: MEMORY_RPS } }, options);
  return { seconds: memorySeconds, ...memoryMb(pid), nodeArgs: nodeArgsOf(pid) };
}

function chosen(names: readonly string[]): readonly Scenario[] {
  if (names.length === 0) return scenarios;
  return names.map((name) => {
    const found = scenarios.find(({ id }) => id.toLowerCase() === name.toLowerCase());
    if (found !== undefined) return found;
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
