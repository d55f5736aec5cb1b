/** How the command says that something went wrong: what, why, what to do. */
import pc from 'picocolors';
import { errorMessage, WeftError } from '@weft/kit';
import { EXIT, exitCodeOf } from '../exit-codes.ts';
import { printable } from './printable.ts';

/** @returns the exit code. With `json` the error is one JSON document on stdout. */
export function reportError(error: unknown, json: boolean): number {
  const known = error instanceof WeftError;
  const code = known ? error.code : 'WEFT_INTERNAL';
  const exit = known ? exitCodeOf(code) : EXIT.bug;
  const message = error instanceof Error ? error.message : String(error);
  const cause = error instanceof Error && error.cause !== undefined ? errorMessage(error.cause) : undefined;
  const fix = known ? error.fix : 'this is a bug in weft: please report it with the command that you ran';
  const where = known ? error.where : undefined;
  if (json) {
    process.stdout.write(`${JSON.stringify({ error: { code, message, cause, where, hint: fix } })}\n`);
    return exit;
  }
  const lines = [`${pc.red('error:')} ${printable(message)}`];
  if (where !== undefined && !message.includes(where)) lines.push(`  where: ${printable(where)}`);
  if (cause !== undefined) lines.push(`  cause: ${printable(cause)}`);
  if (fix !== undefined) lines.push(`  fix:   ${printable(fix)}`);
  process.stderr.write(`${lines.join('\n')}\n`);
  if (!known && process.env['WEFT_DEBUG'] && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return exit;
}
