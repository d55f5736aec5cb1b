// `pnpm fuzz [TARGET…] [--inputs N] [--seconds S] [--seed N] [--input HEX]`: all targets, or some, one after the other.
import { parseArgs } from 'node:util';
import { readCorpus } from './corpus.ts';
import { fuzz, type FuzzProgress } from './engine.ts';
import { HangWatch } from './hang-watch.ts';
import { TARGETS } from './targets/index.ts';

const HANG_MS = 20_000;
const PROGRESS_MS = 5_000;
const DEFAULT_SECONDS = 10;

const now = (): number => performance.now();
const say = (text: string): void => void process.stdout.write(`${text}\n`);

function describe({ inputs, seconds, behaviours, slowestMs }: FuzzProgress): string {
  const rate = Math.round(inputs / Math.max(seconds, 0.001)).toLocaleString('en');
  return `${inputs.toLocaleString('en')} inputs in ${seconds.toFixed(0)} s, ${rate}/s, ${behaviours} behaviours, slowest ${slowestMs.toFixed(0)} ms`;
}

async function runTarget(name: string, options: { inputs: number; seconds: number; seed: number }): Promise<boolean> {
  const found = TARGETS.get(name);
  if (found === undefined) throw new Error(`no such target: ${name}; there are ${[...TARGETS.keys()].join(', ')}`);
  const target = found.create();
  const corpus = readCorpus(found.corpus ?? name);
  const watch = new HangWatch(name, target.maxBytes, HANG_MS);
  let shownMs = now();
  say(`${name}: seed ${options.seed}, ${corpus.length} inputs in the corpus`);
  const result = await fuzz(target, corpus, {
    ...options,
    now,
    onInput: (input) => watch.begin(input),
    onProgress: (progress) => {
      watch.rest();
      if (now() - shownMs < PROGRESS_MS) return;
      shownMs = now();
      say(`${name}: ${describe(progress)}`);
    },
  });
  await watch.close();
  target.close?.();
  const { failure } = result;
  say(`${name}: ${failure === undefined ? 'holds' : 'FAILS'}: ${describe(result)}`);
  for (const line of target.summary?.() ?? []) say(`  ${line}`);
  if (failure === undefined) return true;
  const hex = failure.input.toString('hex');
  say(failure.error instanceof Error ? (failure.error.stack ?? failure.error.message) : String(failure.error));
  say(`input ${failure.number}: ${JSON.stringify(failure.input.toString('latin1'))}`);
  const alone = await failsAlone(name, failure.input);
  say(
    alone
      ? `again:  pnpm fuzz ${name} --input ${hex}`
      : `It fails only behind the inputs before it:  pnpm fuzz ${name} --seed ${options.seed} --inputs ${failure.number}\n  ${hex}`,
  );
  return false;
}

async function failsAlone(name: string, input: Buffer): Promise<boolean> {
  const target = TARGETS.get(name)?.create();
  if (target === undefined) return false;
  const { failure } = await fuzz(target, [input], { seed: 1, inputs: 1, seconds: 60, now });
  target.close?.();
  if (failure !== undefined) say(String(failure.error));
  return failure !== undefined;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    inputs: { type: 'string' },
    seconds: { type: 'string' },
    seed: { type: 'string', default: '1' },
    input: { type: 'string' },
  },
});
const names = positionals.length > 0 ? positionals : [...TARGETS.keys()];
const inputs = values.inputs === undefined ? Infinity : Number(values.inputs.replaceAll('_', ''));
const seconds =
  values.seconds === undefined ? (values.inputs === undefined ? DEFAULT_SECONDS : Infinity) : Number(values.seconds);
let holds = true;
for (const name of names) {
  if (values.input === undefined)
    holds = (await runTarget(name, { inputs, seconds, seed: Number(values.seed) })) && holds;
  else if (await failsAlone(name, Buffer.from(values.input, 'hex'))) holds = false;
  else say(`${name}: holds`);
}
process.exit(holds ? 0 : 1);
