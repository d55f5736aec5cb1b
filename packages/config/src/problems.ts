/** What is said about bad, doubtful or not yet effective configuration. */

export type Severity = 'error' | 'warning' | 'info';

/** The stable codes. A number is never given to another meaning. */
export const CODES = {
  W0001: 'the text is not YAML or JSON',
  W0002: 'a key appears twice',
  W0003: 'a limit of size, depth or aliases is exceeded',
  W0004: 'the document is not an object of configuration',
  W0005: 'the kind is unknown',
  W0006: 'the kind is not served in this version',
  W0007: 'the kind is known and not supported yet',
  W0008: 'the metadata is wrong',
  W0009: 'an object is defined twice',
  W0010: 'the field is unknown',
  W0011: 'the value has the wrong type',
  W0012: 'a required field is missing',
  W0013: 'the value is not one of those allowed',
  W0014: 'the value is out of range',
  W0015: 'fields exclude each other, or one of several is needed',
  W0016: 'the duration is wrong',
  W0017: 'the regular expression is wrong',
  W0018: 'the host is wrong',
  W0019: 'the address is wrong',
  W0020: 'the name or label is wrong',
  W0021: 'the header name or value is wrong',
  W0022: 'the visibility (exportTo) is wrong',
  W0023: 'the port or protocol is wrong',
  W0024: 'the combination of fields is wrong',
  W0025: 'the field has no effect as it is written',
  W0030: 'the field restricts and is not enforced yet, so it is refused',
  W0031: 'the field is accepted and has no effect yet',
  W0032: 'the field is deprecated',
  W0040: 'a host, subset or port that is named does not exist',
  W0041: 'a gateway that is named does not exist',
  W0042: 'a route can never be reached',
  W0043: 'two objects claim the same',
  W0044: 'a selector matches nothing',
  W0045: 'a handler or instance that is named does not exist',
  W0050: 'a file can not be read or written',
} as const;

export type ProblemCode = keyof typeof CODES;

export interface Problem {
  readonly code: ProblemCode;
  /** Istio’s code for the same finding, where it has one. */
  readonly istioCode?: `IST${string}`;
  readonly severity: Severity;
  /** As the user wrote it: `spec.http[0].route[1].weight`; empty for the whole document. */
  readonly path: string;
  readonly message: string;
  /** What to do, as an imperative sentence. */
  readonly fix?: string;
  /** `kind/namespace/name`, where it is known. */
  readonly object?: string;
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

export const isError = (problem: Problem): boolean => problem.severity === 'error';

/** `reviews.yaml:12:7: error W0010: spec.http[0].rout: …` and, on a second line, the fix. */
export function formatProblem(problem: Problem): string {
  const where = `${problem.file}:${problem.line}:${problem.column}`;
  const code = problem.istioCode === undefined ? problem.code : `${problem.code} ${problem.istioCode}`;
  const path = problem.path === '' ? '' : `${problem.path}: `;
  const fix = problem.fix === undefined ? '' : `\n  fix: ${problem.fix}`;
  return `${where}: ${problem.severity} ${code}: ${path}${problem.message}${fix}`;
}

/** By file, line, column, code: the order in which a reader goes through them. */
export const sortProblems = (problems: readonly Problem[]): readonly Problem[] =>
  problems.toSorted(
    (a, b) =>
      compare(a.file, b.file) ||
      a.line - b.line ||
      a.column - b.column ||
      compare(a.code, b.code) ||
      compare(a.path, b.path),
  );

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
