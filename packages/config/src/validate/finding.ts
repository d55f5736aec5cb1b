import type { ProblemCode, Severity } from '../problems.ts';
import type { Path } from '../source/locate.ts';

/** A problem before it has a file and a line. */
export interface Finding {
  readonly code: ProblemCode;
  readonly istioCode?: `IST${string}`;
  readonly severity: Severity;
  readonly path: Path;
  /** Whether the key or the value is to blame; decides the column. */
  readonly at?: 'key' | 'value';
  readonly message: string;
  readonly fix?: string;
}

export type Report = (finding: Finding) => void;

/** `spec.http[0].headers["x-user"]`. */
export function pathText(path: Path): string {
  return path
    .map((segment, index) => {
      if (typeof segment === 'number') return `[${segment}]`;
      if (/^[A-Za-z_][\w-]*$/.test(segment)) return index === 0 ? segment : `.${segment}`;
      return `[${JSON.stringify(segment)}]`;
    })
    .join('');
}

/** Curried for rules: an error at a path. */
export const fail =
  (report: Report) =>
  (code: ProblemCode, path: Path, message: string, fix?: string): void =>
    report({ code, severity: 'error', path, message, ...(fix === undefined ? {} : { fix }) });

export const warn =
  (report: Report) =>
  (code: ProblemCode, path: Path, message: string, fix?: string): void =>
    report({ code, severity: 'warning', path, message, ...(fix === undefined ? {} : { fix }) });
