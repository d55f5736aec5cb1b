import { closest, parseDuration } from '@weft/expr';
import type { ReportProblem } from './problem.ts';

/**
 * Strict reading of one JSON object: every field is asked for by its camelCase name (its snake_case form is accepted, as
 * protobuf's JSON does); what is of a wrong type, or was never asked for, is a problem that names the field.
 */
export class ObjectReader {
  readonly #fields: ReadonlyMap<string, unknown>;
  readonly #path: string;
  readonly #report: ReportProblem;
  readonly #asked = new Set<string>();

  constructor(raw: unknown, path: string, report: ReportProblem) {
    this.#path = path;
    this.#report = report;
    if (!isObject(raw)) {
      report(path, `must be an object, not ${typeName(raw)}`);
      this.#fields = new Map();
    } else {
      this.#fields = new Map(Object.entries(raw).filter(([, value]) => value !== null && value !== undefined));
    }
  }

  path(name: string): string {
    return `${this.#path}.${name}`;
  }

  problem(name: string, message: string, fix?: string): void {
    this.#report(this.path(name), message, fix);
  }

  has(name: string): boolean {
    return this.raw(name) !== undefined;
  }

  raw(name: string): unknown {
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    this.#asked.add(name).add(snake);
    return this.#fields.get(name) ?? this.#fields.get(snake);
  }

  #typed<T>(name: string, wanted: string, read: (value: unknown) => T | undefined): T | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    const result = read(value);
    if (result === undefined) this.problem(name, `must be ${wanted}, not ${typeName(value)}`);
    return result;
  }

  string(name: string): string | undefined {
    return this.#typed(name, 'a text', (value) => (typeof value === 'string' ? value : undefined));
  }

  required(name: string): string | undefined {
    if (!this.has(name)) this.problem(name, 'is missing');
    return this.string(name);
  }

  number(name: string): number | undefined {
    return this.#typed(name, 'a number', (value) =>
      typeof value === 'number' && Number.isFinite(value) ? value : undefined,
    );
  }

  integer(name: string): number | undefined {
    return this.#typed(name, 'a whole number', (value) => (Number.isInteger(value) ? (value as number) : undefined));
  }

  boolean(name: string): boolean | undefined {
    return this.#typed(name, 'true or false', (value) => (typeof value === 'boolean' ? value : undefined));
  }

  /** `5s`, `1m30s`. @returns milliseconds. */
  duration(name: string): number | undefined {
    const text = this.string(name);
    const ms = text === undefined ? undefined : parseDuration(text);
    if (text !== undefined && (ms === undefined || ms < 0)) {
      this.problem(name, `${JSON.stringify(text)} is no duration`, 'write it like 5s or 1m30s');
      return undefined;
    }
    return ms;
  }

  choice<const T extends string>(name: string, values: readonly T[]): T | undefined {
    const text = this.string(name);
    const found = values.find((value) => value === text);
    if (text !== undefined && found === undefined)
      this.problem(name, `${JSON.stringify(text)} is none of ${values.join(', ')}`);
    return found;
  }

  list(name: string): readonly unknown[] {
    return (
      this.#typed(name, 'a list', (value) => (Array.isArray(value) ? (value as readonly unknown[]) : undefined)) ?? []
    );
  }

  objects(name: string): readonly ObjectReader[] {
    return this.list(name).map((item, i) => new ObjectReader(item, `${this.path(name)}[${i}]`, this.#report));
  }

  strings(name: string): readonly string[] {
    return this.list(name).flatMap((item, i) => {
      if (typeof item === 'string') return [item];
      this.problem(`${name}[${i}]`, `must be a text, not ${typeName(item)}`);
      return [];
    });
  }

  numbers(name: string): readonly number[] {
    return this.list(name).flatMap((item, i) => {
      if (typeof item === 'number' && Number.isFinite(item)) return [item];
      this.problem(`${name}[${i}]`, `must be a number, not ${typeName(item)}`);
      return [];
    });
  }

  object(name: string): ObjectReader | undefined {
    const value = this.raw(name);
    return value === undefined ? undefined : new ObjectReader(value, this.path(name), this.#report);
  }

  /** Text by user-chosen key. */
  stringMap(name: string): ReadonlyMap<string, string> {
    const value = this.raw(name);
    if (value === undefined) return new Map();
    if (!isObject(value)) {
      this.problem(name, `must be an object, not ${typeName(value)}`);
      return new Map();
    }
    return new Map(
      Object.entries(value).flatMap(([key, item]) => {
        if (typeof item === 'string') return [[key, item] as const];
        this.problem(`${name}[${JSON.stringify(key)}]`, `must be a text, not ${typeName(item)}`);
        return [];
      }),
    );
  }

  /** Reports fields that nobody asked for. Call it last. */
  end(): void {
    const known = [...this.#asked].filter((name) => !name.includes('_'));
    for (const name of this.#fields.keys()) {
      if (this.#asked.has(name)) continue;
      const near = closest(name, known);
      this.problem(name, 'is not a known field', near ? `did you mean ${near}?` : `known are ${known.join(', ')}`);
    }
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function typeName(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  return Array.isArray(value) ? 'a list' : typeof value;
}
