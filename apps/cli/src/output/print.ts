/** The answer on stdout in the format asked for. */
import { stringify } from 'yaml';
import { WeftError } from '@weft/kit';

export const FORMATS = ['table', 'json', 'yaml', 'name'] as const;
export type Format = (typeof FORMATS)[number];

/** @throws {WeftError} WEFT_USAGE that lists the known ones. */
export function parseFormat<Allowed extends Format>(
  text: string | undefined,
  allowed: readonly Allowed[],
): Allowed | 'table' {
  if (text === undefined) return 'table';
  const format = allowed.find((item) => item === text);
  if (format) return format;
  throw new WeftError('WEFT_USAGE', `unknown output format "${text}"`, { fix: `use one of: ${allowed.join(', ')}` });
}

export function printData(value: unknown, format: 'json' | 'yaml'): void {
  process.stdout.write(format === 'json' ? `${JSON.stringify(value, undefined, 2)}\n` : stringify(value));
}

/** Talk for people; answers go to stdout. */
export const say = (text: string): void => void process.stderr.write(`${text}\n`);

/** A command to paste, against the same mesh: a folder that was not given is the default of the other commands, too. */
export const commandFor =
  (stateFlag: string | undefined) =>
  (verb: string): string =>
    `npx weft ${verb}${stateFlag === undefined ? '' : ` --state ${quoted(stateFlag)}`}`;

/** As a shell reads it as one word. */
const quoted = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
