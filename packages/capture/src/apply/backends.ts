/** The two ways to tell the kernel, as lists of commands. */
import type { Family } from '../plan/cidr.ts';
import type { RedirectPlan } from '../plan/redirect-plan.ts';
import { buildRules } from '../rules/build-rules.ts';
import { iptablesText, iptablesUndoText } from '../rules/iptables.ts';
import { nftText, nftUndoText } from '../rules/nftables.ts';
import { NO_PROGRAM, type CommandResult, type Executor } from './executor.ts';

export type BackendName = 'iptables' | 'nftables';

export interface Backend {
  readonly name: BackendName;
  /** @returns why it could not be done; what was done is taken back. */
  apply(plan: RedirectPlan, executor: Executor): Promise<string | undefined>;
  /** @returns why it could not be done; nothing to take away is no failure, nor is a missing program. */
  remove(executor: Executor): Promise<string | undefined>;
}

// Users other than root seldom have these in their PATH.
const DIRS = ['', '/usr/sbin/', '/sbin/'];
const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];
// Of the lock that programs of the older kind share.
const LOCK_SECONDS = '5';

async function run(executor: Executor, program: string, args: readonly string[], stdin = ''): Promise<CommandResult> {
  let result: CommandResult = { code: NO_PROGRAM, stdout: '', stderr: '' };
  for (const dir of DIRS) {
    result = await executor.run(`${dir}${program}`, args, stdin);
    if (result.code !== NO_PROGRAM) return result;
  }
  return result;
}

const failure = (program: string, { code, stderr }: CommandResult): string | undefined =>
  code === 0
    ? undefined
    : code === NO_PROGRAM
      ? `there is no program ${program}`
      : `${program} failed: ${firstWords(stderr) || `exit code ${code}`}`;

/** iptables tells its version first and its reason on the next line. */
const firstWords = (stderr: string): string =>
  stderr
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .slice(0, 3)
    .join(' ')
    .slice(0, 300);

const iptablesOf = (family: Family): string => (family === 'ipv4' ? 'iptables' : 'ip6tables');

async function iptables(
  executor: Executor,
  family: Family,
  textFor: (present: string) => string,
): Promise<string | undefined> {
  const [save, restore] = [`${iptablesOf(family)}-save`, `${iptablesOf(family)}-restore`];
  const saved = await run(executor, save, []);
  const unreadable = failure(save, saved);
  if (unreadable !== undefined) return unreadable;
  const text = textFor(saved.stdout);
  if (text === '') return undefined;
  return failure(restore, await run(executor, restore, ['-w', LOCK_SECONDS, '--noflush'], text));
}

async function nft(executor: Executor, text: string): Promise<string | undefined> {
  return failure('nft', await run(executor, 'nft', ['-f', '-'], text));
}

const isMissing = (why: string | undefined): boolean => why?.startsWith('there is no program') ?? false;

/** Both families or none. */
async function applyAll(
  families: readonly Family[],
  apply: (family: Family) => Promise<string | undefined>,
  undo: (family: Family) => Promise<string | undefined>,
): Promise<string | undefined> {
  for (const [at, family] of families.entries()) {
    const why = await apply(family);
    if (why === undefined) continue;
    for (const done of families.slice(0, at)) await undo(done);
    return why;
  }
  return undefined;
}

async function removeAll(undo: (family: Family) => Promise<string | undefined>): Promise<string | undefined> {
  const reasons: string[] = [];
  for (const family of FAMILIES) {
    const why = await undo(family);
    if (why !== undefined && !isMissing(why)) reasons.push(why);
  }
  return reasons.length === 0 ? undefined : reasons.join('; ');
}

const undoIptables =
  (executor: Executor) =>
  (family: Family): Promise<string | undefined> =>
    iptables(executor, family, iptablesUndoText);
const undoNft =
  (executor: Executor) =>
  (family: Family): Promise<string | undefined> =>
    nft(executor, nftUndoText(family));

/** In the order of preference: what most people can look at comes first. */
export const BACKENDS: readonly Backend[] = [
  {
    name: 'iptables',
    apply: (plan, executor) =>
      applyAll(
        plan.families,
        (family) => iptables(executor, family, (present) => iptablesText(buildRules(plan, family), present)),
        undoIptables(executor),
      ),
    remove: (executor) => removeAll(undoIptables(executor)),
  },
  {
    name: 'nftables',
    apply: (plan, executor) =>
      applyAll(plan.families, (family) => nft(executor, nftText(buildRules(plan, family), family)), undoNft(executor)),
    remove: (executor) => removeAll(undoNft(executor)),
  },
];
