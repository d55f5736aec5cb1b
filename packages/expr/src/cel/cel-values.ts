/** A span or a point of time; `duration("1s")`, `timestamp("…")`. */
export class CelTime {
  readonly kind: 'duration' | 'timestamp';
  readonly ms: number;

  constructor(kind: 'duration' | 'timestamp', ms: number) {
    this.kind = kind;
    this.ms = ms;
  }
}

export interface CelMap {
  get(key: string): CelValue | undefined;
}
export type CelValue = null | boolean | number | string | CelTime | CelMap | readonly CelValue[];

/** What went wrong with the values of one evaluation; the expression itself is fine. */
export class CelFailure extends Error {}

export const isList = (value: CelValue): value is readonly CelValue[] => Array.isArray(value);
export const isMap = (value: CelValue): value is CelMap =>
  typeof value === 'object' && value !== null && !isList(value) && !(value instanceof CelTime);

export function typeName(value: CelValue): string {
  if (value === null) return 'null';
  if (isList(value)) return 'list';
  if (value instanceof CelTime) return value.kind;
  if (isMap(value)) return 'map';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

export function equal(a: CelValue, b: CelValue): boolean {
  if (a instanceof CelTime && b instanceof CelTime) return a.kind === b.kind && a.ms === b.ms;
  if (isList(a) && isList(b)) return a.length === b.length && a.every((item, i) => equal(item, b[i] ?? null));
  return a === b;
}

export function less(a: CelValue, b: CelValue): boolean {
  if (typeof a === 'number' && typeof b === 'number') return a < b;
  if (typeof a === 'string' && typeof b === 'string') return a < b;
  if (typeof a === 'boolean' && typeof b === 'boolean') return !a && b;
  if (a instanceof CelTime && b instanceof CelTime && a.kind === b.kind) return a.ms < b.ms;
  throw new CelFailure(`${typeName(a)} and ${typeName(b)} can not be compared`);
}

export function isIn(item: CelValue, container: CelValue): boolean {
  if (isList(container)) return container.some((one) => equal(one, item));
  if (isMap(container)) return typeof item === 'string' && container.get(item) !== undefined;
  throw new CelFailure(`nothing is in a ${typeName(container)}`);
}

const NUMERIC = {
  '+': (a: number, b: number) => a + b,
  '-': (a: number, b: number) => a - b,
  '*': (a: number, b: number) => a * b,
  '/': (a: number, b: number) => (Number.isInteger(a) && Number.isInteger(b) ? Math.trunc(a / b) : a / b),
  '%': (a: number, b: number) => a % b,
} as const;
export type Arithmetic = keyof typeof NUMERIC;

export function calculate(operator: Arithmetic, a: CelValue, b: CelValue): CelValue {
  if (typeof a === 'number' && typeof b === 'number') {
    if (b === 0 && (operator === '/' || operator === '%')) throw new CelFailure('division by zero');
    return NUMERIC[operator](a, b);
  }
  if (operator === '+' && typeof a === 'string' && typeof b === 'string') return a + b;
  if (operator === '+' && isList(a) && isList(b)) return [...a, ...b];
  if (a instanceof CelTime && b instanceof CelTime && (operator === '+' || operator === '-')) {
    const ms = operator === '+' ? a.ms + b.ms : a.ms - b.ms;
    if (b.kind === 'duration') return new CelTime(a.kind, ms);
    if (operator === '-' && a.kind === 'timestamp') return new CelTime('duration', ms);
  }
  throw new CelFailure(`${operator} does not apply to ${typeName(a)} and ${typeName(b)}`);
}

export function size(value: CelValue): number {
  if (typeof value === 'string') return Array.from(value).length;
  if (isList(value)) return value.length;
  throw new CelFailure(`a ${typeName(value)} has no size here`);
}
