/** Findings about configuration, one line each with its mend below. */
import pc from 'picocolors';
import type { DiagnosticView } from '@weft/contracts/console-views';
import { printable } from './printable.ts';

const PAINT = { error: pc.red, warning: pc.yellow, info: pc.dim } as const;

/** `file:line:column: error W0102 spec.http[0].timeout: …`. @param file what the user called the text. */
export function describe(diagnostic: DiagnosticView, file?: string): string {
  const { severity, code, message, field, line, column, hint } = diagnostic;
  const at = [file ?? diagnostic.file, line, column].filter((part) => part !== undefined).join(':');
  const head = `${at === '' ? '' : `${at}: `}${PAINT[severity](severity)} ${printable(code)}${field === undefined ? '' : ` ${printable(field)}`}: ${printable(message)}`;
  return hint === undefined ? head : `${head}\n    fix: ${printable(hint)}`;
}
