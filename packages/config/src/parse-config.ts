/** Text of a file → validated objects, and everything that is wrong with it by line and column. */
import type { ConfigObject } from '@weft/contracts/config';
import { isError, sortProblems, type Problem } from './problems.ts';
import { readDocuments, type SourceDocument } from './source/documents.ts';
import { meshConfigIn } from './source/istio-config-map.ts';
import { DEFAULT_READ_LIMITS, type ReadLimits } from './source/limits.ts';
import type { Path, Position } from './source/locate.ts';
import { isRecord } from './source/yaml-values.ts';
import { pathText, type Finding } from './validate/finding.ts';
import { validateObject, type ValidateOptions } from './validate/validate-object.ts';

export interface ParseOptions extends ValidateOptions {
  readonly limits?: ReadLimits;
}

/** A validated object with the text that it came from. */
export interface ParsedObject {
  readonly object: ConfigObject;
  /** Its document, comments included; absent for an item of a List. */
  readonly text?: string;
  /** Offsets of its document in the file. */
  readonly start: number;
  readonly end: number;
  /** The line and column of a field: `locate(['spec', 'http', 0])`. */
  locate(path: Path): Position;
}

export interface ParseResult {
  readonly objects: readonly ParsedObject[];
  /** Sorted by line. With an error among them, some object is missing. */
  readonly problems: readonly Problem[];
}

/** Never throws. @param file how messages name the text, for example a path or `-`. */
export function parseConfig(text: string, file: string, options: ParseOptions = {}): ParseResult {
  const limits = options.limits ?? DEFAULT_READ_LIMITS;
  const { documents, problems: unreadable } = readDocuments(text, limits);
  const problems: Problem[] = unreadable.map(({ code, message, fix, line, column }) => ({
    code,
    severity: 'error',
    path: '',
    message,
    ...(fix === undefined ? {} : { fix }),
    file,
    line,
    column,
  }));
  const objects: ParsedObject[] = [];
  for (const document of documents) {
    for (const item of items(document, limits)) {
      const found: Finding[] = [];
      const { object, label } = validateObject(item.value, (finding) => void found.push(finding), options);
      for (const finding of found) problems.push(place(finding, item, file, label));
      if (object === undefined) continue;
      const { line, column } = item.locate([], 'key');
      const source = Object.freeze({ file, line, column });
      objects.push({
        object: Object.freeze({ ...object, source }),
        ...(item.whole ? { text: document.text } : {}),
        start: document.start,
        end: document.end,
        locate: (path) => item.locate(path, 'value'),
      });
    }
  }
  return { objects, problems: bounded(sortProblems(problems)).map(templateHints(text)) };
}

/** What was to be filled in before is the reason, whatever else the line looks like. */
function templateHints(text: string): (problem: Problem) => Problem {
  let lines: readonly string[] | undefined;
  return (problem) => {
    if (!isError(problem)) return problem;
    lines ??= text.split('\n');
    const line = lines[problem.line - 1] ?? '';
    const fix = TEMPLATES.find(({ sign }) => sign.test(line))?.fix;
    return fix === undefined ? problem : { ...problem, fix };
  };
}

const TEMPLATES = [
  { sign: /\{\{.*\}\}/, fix: 'This is a template: apply what `helm template` makes of the chart.' },
  {
    sign: /\$\{\w+\}|\$\(\w+\)/,
    fix: 'This is a template: fill its variables in first, for example with `envsubst`.',
  },
] as const;

const MAX_PROBLEMS = 500;

/** Nobody reads thousands of findings, and each is sent, kept and shown. Errors go first when some must be left out. */
function bounded(problems: readonly Problem[]): readonly Problem[] {
  const last = problems.at(-1);
  if (last === undefined || problems.length <= MAX_PROBLEMS) return problems;
  const errors = problems.filter(isError);
  const kept = sortProblems([...errors, ...problems.filter((problem) => !isError(problem))].slice(0, MAX_PROBLEMS));
  return [
    ...kept,
    {
      code: 'W0003',
      severity: errors.length > 0 ? 'error' : 'warning',
      path: '',
      message: `there are ${problems.length - MAX_PROBLEMS} more findings like these`,
      fix: 'Mend the first ones and look again.',
      file: last.file,
      line: last.line,
      column: last.column,
    },
  ];
}

interface Item {
  readonly value: unknown;
  readonly prefix: Path;
  /** The document holds nothing else. */
  readonly whole: boolean;
  locate(path: Path, want: 'key' | 'value'): Position;
}

/** The objects of a document: itself, or the items of a List; empty documents have none. */
function items(document: SourceDocument, limits: ReadLimits): readonly Item[] {
  const { value } = document;
  if (value === null || value === undefined) return [];
  if (isList(value)) {
    return value.items.map((item, index) => {
      const prefix = ['items', index];
      return { value: item, prefix, whole: false, locate: (path, want) => document.locate([...prefix, ...path], want) };
    });
  }
  const settings = meshConfigIn(document, limits);
  if (settings !== undefined) return [{ ...settings, prefix: [], whole: false }];
  return [{ value, prefix: [], whole: true, locate: (path, want) => document.locate(path, want) }];
}

const isList = (value: unknown): value is { readonly items: readonly unknown[] } =>
  isRecord(value) &&
  typeof value['kind'] === 'string' &&
  value['kind'].endsWith('List') &&
  Array.isArray(value['items']);

function place(finding: Finding, item: Item, file: string, label: string): Problem {
  const { code, istioCode, severity, path, at = 'value', message, fix } = finding;
  return {
    code,
    ...(istioCode === undefined ? {} : { istioCode }),
    severity,
    path: pathText([...item.prefix, ...path]),
    message,
    ...(fix === undefined ? {} : { fix }),
    ...(label === '' ? {} : { object: label }),
    file,
    ...item.locate(path, at),
  };
}
