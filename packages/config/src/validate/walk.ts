/** Checks a JSON value against a kind’s schema in one pass: types, names, ranges, formats, oneofs and effects. */
import { metaOf, type Effect, type FieldMeta, type MessageMeta, type ValueMeta } from '@weft/contracts/config';
import type { TSchema } from 'typebox';
import type { Path } from '../source/locate.ts';
import { isRecord } from '../source/yaml-values.ts';
import type { Report } from './finding.ts';
import { FORMATS, shown } from './formats.ts';
import { camelCase, nearest } from './names.ts';

/** What the walker reads of a TypeBox schema. */
interface SchemaView {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, TSchema>>;
  readonly required?: readonly string[];
  readonly patternProperties?: Readonly<Record<string, TSchema>>;
  readonly items?: TSchema;
  readonly anyOf?: readonly TSchema[];
}

export interface Walked {
  /** camelCase names, nulls left out. Only as good as `shapeOk` says. */
  readonly value: unknown;
  /** False when a type is wrong or something required is missing, so that rules about the whole must not run. */
  readonly shapeOk: boolean;
}

export function walk(schema: TSchema, value: unknown, path: Path, report: Report): Walked {
  let shapeOk = true;
  const broken: Report = (finding) => {
    shapeOk = false;
    report(finding);
  };

  const visit = (at: TSchema, given: unknown, where: Path, inherited: Effect): unknown => {
    const view = at as SchemaView;
    const meta = metaOf(at);
    const effect = speakOfEffect(meta, given, where, inherited, report);
    if (view.anyOf !== undefined) return anyOf(view.anyOf, given, where);
    if (view.enum !== undefined) return word(view.enum, meta, given, where, effect);
    switch (view.type) {
      case 'string':
        return text(meta, given, where, effect);
      case 'boolean':
        if (typeof given === 'boolean') return given;
        return wrongType('true or false', given, where);
      case 'integer':
      case 'number':
        return number(view.type, meta, given, where);
      case 'array':
        return list(view, meta, given, where, effect);
      case 'object':
        return view.properties === undefined
          ? map(view, meta, given, where, effect)
          : object(view, meta, given, where, effect);
      default:
        return given;
    }
  };

  const wrongType = (expected: string, given: unknown, where: Path): undefined => {
    const fix = typeFix(expected, given);
    broken({
      code: 'W0011',
      severity: 'error',
      path: where,
      message: `expected ${expected}, found ${typeWord(given)}`,
      ...(fix === undefined ? {} : { fix }),
    });
    return undefined;
  };

  const anyOf = (options: readonly TSchema[], given: unknown, where: Path): unknown => {
    const fits = options.some((option) => {
      const { type } = option as SchemaView;
      return type === 'string' ? typeof given === 'string' : type === 'integer' && Number.isInteger(given);
    });
    return fits ? given : wrongType('a whole number or text', given, where);
  };

  const word = (words: readonly string[], meta: FieldMeta, given: unknown, where: Path, inherited: Effect): unknown => {
    if (typeof given !== 'string') return wrongType(`one of ${words.join(', ')}`, given, where);
    if (!words.includes(given)) {
      const guess = words.find((known) => known === given.toUpperCase()) ?? nearest(given, words);
      broken({
        code: 'W0013',
        severity: 'error',
        path: where,
        message: `"${shown(given)}" is not one of ${words.join(', ')}`,
        ...(guess === undefined ? {} : { fix: `Did you mean ${guess}?` }),
      });
      return undefined;
    }
    speakOfValue(meta, given, where, inherited, report);
    return given;
  };

  const text = (meta: FieldMeta, given: unknown, where: Path, inherited: Effect): unknown => {
    if (typeof given !== 'string')
      return wrongType(meta.format?.startsWith('duration') === true ? 'a duration' : 'text', given, where);
    if (given.length < (meta.minLength ?? 0))
      broken({ code: 'W0012', severity: 'error', path: where, message: 'must not be empty' });
    else if (given.length > (meta.maxLength ?? Number.POSITIVE_INFINITY)) {
      const code = meta.format?.startsWith('regex') === true ? 'W0017' : 'W0014';
      report({ code, severity: 'error', path: where, message: `is longer than ${meta.maxLength} characters` });
    } else if (meta.format !== undefined) {
      const fault = FORMATS[meta.format](given);
      if (fault !== undefined) report({ severity: 'error', path: where, ...fault });
    }
    speakOfValue(meta, given, where, inherited, report);
    return given;
  };

  const number = (type: string, meta: FieldMeta, given: unknown, where: Path): unknown => {
    if (typeof given !== 'number') return wrongType(type === 'integer' ? 'a whole number' : 'a number', given, where);
    if (type === 'integer' && !Number.isInteger(given)) return wrongType('a whole number', given, where);
    const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = meta;
    if (given < min || given > max) {
      report({ code: 'W0014', severity: 'error', path: where, message: `${given} is not from ${min} to ${max}` });
    }
    return given;
  };

  const count = (size: number, meta: FieldMeta, where: Path): void => {
    if (size < (meta.minItems ?? 0)) {
      broken({
        code: 'W0012',
        severity: 'error',
        path: where,
        at: 'key',
        message: 'must not be empty',
        fix: 'Give at least one, or leave the field out.',
      });
    }
    if (size > (meta.maxItems ?? Number.POSITIVE_INFINITY)) {
      report({
        code: 'W0014',
        severity: 'error',
        path: where,
        at: 'key',
        message: `has ${size} entries; ${meta.maxItems} are allowed`,
      });
    }
  };

  const list = (view: SchemaView, meta: FieldMeta, given: unknown, where: Path, inherited: Effect): unknown => {
    if (!Array.isArray(given)) return wrongType('a list', given, where);
    count(given.length, meta, where);
    const { items } = view;
    return items === undefined
      ? given
      : given.map((item: unknown, index) => visit(items, item, [...where, index], inherited));
  };

  const map = (view: SchemaView, meta: FieldMeta, given: unknown, where: Path, inherited: Effect): unknown => {
    if (!isRecord(given)) return wrongType('an object', given, where);
    const keys = Object.keys(given);
    count(keys.length, meta, where);
    const [values] = Object.values(view.patternProperties ?? {});
    const result: Record<string, unknown> = {};
    for (const key of keys) {
      if (forbidden(key, [...where, key])) continue;
      result[key] = values === undefined ? given[key] : visit(values, given[key], [...where, key], inherited);
    }
    return result;
  };

  const forbidden = (key: string, where: Path): boolean => {
    if (key !== '__proto__' && key !== 'constructor' && key !== 'prototype') return false;
    broken({ code: 'W0003', severity: 'error', path: where, at: 'key', message: `the key "${key}" is never allowed` });
    return true;
  };

  const object = (view: SchemaView, meta: MessageMeta, given: unknown, where: Path, inherited: Effect): unknown => {
    if (!isRecord(given)) return wrongType('an object', given, where);
    const fields = view.properties ?? {};
    const result: Record<string, unknown> = {};
    const writtenAs = new Map<string, string>();
    for (const key of Object.keys(given)) {
      const where_ = [...where, key];
      const name = fieldName(fields, key);
      if (name === undefined) {
        if (meta.open === true) result[key] = given[key];
        else unknownField(Object.keys(fields), key, where_);
        continue;
      }
      // protobuf’s JSON: null is the same as absent.
      if (given[key] === null || given[key] === undefined) continue;
      const former = writtenAs.get(name);
      if (former !== undefined) {
        broken({
          code: 'W0002',
          severity: 'error',
          path: where_,
          at: 'key',
          message: `is given twice, as ${former} and as ${key}`,
          fix: `Keep ${name}.`,
        });
        continue;
      }
      writtenAs.set(name, key);
      const field = fields[name];
      if (field !== undefined) result[name] = visit(field, given[key], where_, inherited);
    }
    for (const name of view.required ?? []) {
      if (Object.hasOwn(result, name)) continue;
      broken({ code: 'W0012', severity: 'error', path: where, at: 'key', message: `the field ${name} is missing` });
    }
    oneofs(fields, meta, writtenAs, where);
    return result;
  };

  const unknownField = (known: readonly string[], key: string, where: Path): void => {
    const guess = nearest(key, known);
    const fix =
      guess === undefined
        ? known.length === 0
          ? 'Remove it.'
          : `Known here: ${known.toSorted().join(', ')}.`
        : `Did you mean ${guess}?`;
    report({
      code: 'W0010',
      istioCode: 'IST0106',
      severity: 'error',
      path: where,
      at: 'key',
      message: `the field "${shown(key)}" is unknown`,
      fix,
    });
  };

  const oneofs = (
    fields: Readonly<Record<string, TSchema>>,
    meta: MessageMeta,
    writtenAs: ReadonlyMap<string, string>,
    where: Path,
  ): void => {
    const groups = new Map<string, string[]>();
    for (const [name, field] of Object.entries(fields)) {
      const group = metaOf(field).oneof;
      if (group !== undefined) groups.set(group, [...(groups.get(group) ?? []), name]);
    }
    for (const [group, members] of groups) {
      const set = members.filter((name) => writtenAs.has(name));
      if (set.length > 1) {
        report({
          code: 'W0015',
          severity: 'error',
          path: where,
          at: 'key',
          message: `${set.join(' and ')} exclude each other`,
          fix: 'Keep one of them.',
        });
      }
      if (set.length === 0 && meta.requiredOneofs?.includes(group) === true) {
        report({
          code: 'W0015',
          severity: 'error',
          path: where,
          at: 'key',
          message: `one of ${members.join(', ')} is needed`,
        });
      }
    }
  };

  return { value: visit(schema, value, path, 'done'), shapeOk };
}

/** The schema’s name for a key: as it is, in snake_case, or by its protobuf name. */
function fieldName(fields: Readonly<Record<string, TSchema>>, key: string): string | undefined {
  if (Object.hasOwn(fields, key)) return key;
  if (!key.includes('_')) return undefined;
  const camel = camelCase(key);
  if (Object.hasOwn(fields, camel)) return camel;
  return Object.keys(fields).find((name) => {
    const field = fields[name];
    return field !== undefined && metaOf(field).proto === key;
  });
}

/** Says once, at the outermost field, that something is refused or not yet effective. @returns what holds below. */
function speakOfEffect(meta: FieldMeta, given: unknown, where: Path, inherited: Effect, report: Report): Effect {
  if (inherited === 'refused' || inherited === 'ignored') return inherited;
  const effect = meta.effect ?? inherited;
  const changes = effect !== inherited && !(meta.default !== undefined && meta.default === given);
  if (meta.deprecated !== undefined && effect !== 'refused') {
    const dead = changes && effect === 'not-yet' ? ' and has no effect' : '';
    report({
      code: 'W0032',
      istioCode: 'IST0002',
      severity: 'warning',
      path: where,
      at: 'key',
      message: `${nameOf(where)} is deprecated${dead}`,
      fix: `Use ${meta.deprecated}.`,
    });
  } else if (changes) {
    speak(effect, meta, nameOf(where), where, 'key', report);
  }
  return effect;
}

function speakOfValue(meta: FieldMeta, given: string, where: Path, inherited: Effect, report: Report): void {
  if (inherited === 'refused' || inherited === 'ignored') return;
  const about = valueMeta(meta, given);
  if (about !== undefined) speak(about.effect, about, given, where, 'value', report);
}

function valueMeta(meta: FieldMeta, given: string): ValueMeta | undefined {
  const values = meta.values ?? {};
  const key = [given, given.toUpperCase()].find((word) => Object.hasOwn(values, word));
  return key === undefined ? undefined : values[key];
}

function speak(
  effect: Effect,
  meta: ValueMeta | FieldMeta,
  name: string,
  where: Path,
  at: 'key' | 'value',
  report: Report,
): void {
  if (effect !== 'refused' && effect !== 'not-yet') return;
  report({
    code: effect === 'refused' ? 'W0030' : 'W0031',
    severity: effect === 'refused' ? 'error' : 'warning',
    path: where,
    at,
    message: `${name} ${meta.reason ?? 'has no effect yet'}`,
    ...(meta.mend === undefined ? {} : { fix: meta.mend }),
  });
}

function nameOf(where: Path): string {
  const last = where.at(-1);
  if (typeof last === 'string') return last;
  const before = where.at(-2);
  return typeof before === 'string' ? before : 'the value';
}

function typeWord(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  switch (typeof value) {
    case 'string':
      return `the text "${shown(value)}"`;
    case 'number':
      return `the number ${value}`;
    case 'boolean':
      return `${value}`;
    default:
      return 'an object';
  }
}

export const QUOTE_WORDS = 'Write it in quotes: YAML reads on, off, yes, no, y and n as true or false.';

function typeFix(expected: string, given: unknown): string | undefined {
  if (expected === 'a duration' && typeof given === 'number') return `Write the unit: ${given}s.`;
  if (expected === 'text' && typeof given === 'number') return `Write it in quotes: "${given}".`;
  if (expected === 'text' && typeof given === 'boolean') return QUOTE_WORDS;
  if (expected.startsWith('one of') && typeof given === 'boolean') return QUOTE_WORDS;
  if (expected.includes('number') && typeof given === 'string' && /^-?\d+(\.\d+)?$/.test(given))
    return `Write it without quotes: ${given}.`;
  if (expected === 'a list' && given !== null && given !== undefined)
    return 'Put "- " before it, to make it the first item of a list.';
  if (expected === 'an object' && Array.isArray(given)) return 'Remove the "- " before it.';
  if (expected === 'an object' && given === null) return 'Write {} for an empty object.';
  return undefined;
}
