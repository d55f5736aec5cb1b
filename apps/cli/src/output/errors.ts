/** How the command says that something went wrong: what, why, what to do. */
import pc from 'picocolors';
import { errorCode, errorMessage, WeftError } from '@weft/kit';
import { EXIT, exitCodeOf } from '../exit-codes.ts';
import { printable } from './printable.ts';

/** What the machine lacks is no bug of ours, wherever it shows. */
const MEND_OF_SYSTEM: Readonly<Record<string, string>> = {
  ENOSPC: 'make room on the disk, or choose a folder on another one with --state DIR',
  EDQUOT: 'make room within your quota, or choose a folder on another disk with --state DIR',
  EROFS: 'the file system is read-only: choose another folder with --state DIR',
  EMFILE: 'too many files are open: raise the limit with "ulimit -n"',
  ENFILE: 'the whole machine has too many files open: end other programs',
  EAGAIN: 'the machine has no room for another process: end other programs, or raise the limit with "ulimit -u"',
  ENOMEM: 'the machine lacks memory: end other programs',
};

export interface Told {
  readonly code: string;
  readonly exit: number;
  readonly fix: string | undefined;
}

/** What the error is to the user: its code, the exit code, and the mend. */
export function tell(error: unknown): Told {
  if (error instanceof WeftError) return { code: error.code, exit: exitCodeOf(error.code), fix: error.fix };
  const mend = MEND_OF_SYSTEM[errorCode(error) ?? ''];
  if (mend !== undefined) return { code: 'WEFT_SYSTEM', exit: EXIT.failed, fix: mend };
  const fix = 'this is a bug in weft: please report it with the command that you ran';
  return { code: 'WEFT_INTERNAL', exit: EXIT.bug, fix };
}

/** @returns the exit code. With `json` the error is one JSON document on stdout. */
export function reportError(error: unknown, json: boolean): number {
  const { code, exit, fix } = tell(error);
  const message = error instanceof Error ? error.message : String(error);
  const cause = error instanceof Error && error.cause !== undefined ? errorMessage(error.cause) : undefined;
  const where = error instanceof WeftError ? error.where : undefined;
  if (json) {
    process.stdout.write(`${JSON.stringify({ error: { code, message, cause, where, hint: fix } })}\n`);
    return exit;
  }
  const lines = [`${pc.red('error:')} ${printable(message)}`];
  if (where !== undefined && !message.includes(where)) lines.push(`  where: ${printable(where)}`);
  if (cause !== undefined) lines.push(`  cause: ${printable(cause)}`);
  if (fix !== undefined) lines.push(`  fix:   ${printable(fix)}`);
  process.stderr.write(`${lines.join('\n')}\n`);
  if (exit === EXIT.bug && process.env['WEFT_DEBUG'] && error instanceof Error)
    process.stderr.write(`${error.stack}\n`);
  return exit;
}
