/** YAML nodes → JSON values, as kubectl makes them: merge keys expanded, keys as text, dates left as text. */
import { isAlias, isMap, isPair, isScalar, isSeq, type Document, type Node, type YAMLMap } from 'yaml';
import type { ReadLimits } from './limits.ts';

/** Stops the conversion of one document. `node` is where. */
export class UnreadableValueError extends Error {
  override readonly name = 'UnreadableValueError';
  readonly node: Node | undefined;
  readonly fix: string | undefined;
  readonly code: 'W0002' | 'W0003';
  constructor(message: string, node: Node | undefined, fix?: string, code: 'W0002' | 'W0003' = 'W0003') {
    super(message);
    this.node = node;
    this.fix = fix;
    this.code = code;
  }
}

// Setting one of these on a plain object would touch its prototype, not the object.
const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

export const NESTING_FIX = 'No kind of configuration is nested that deep: look for brackets that are not closed.';
const ONE_OF_TWO = 'Remove one of the two.';

/** @throws {UnreadableValueError} for keys that appear twice, cycles, excess, and values that JSON has no word for. */
export function toJsonValue(document: Document.Parsed, limits: ReadLimits): unknown {
  let values = 0;
  const inside = new Set<Node>();

  const convert = (node: unknown, depth: number): unknown => {
    values += 1;
    if (values > limits.maxValues)
      throw new UnreadableValueError(
        `holds more than ${limits.maxValues} values`,
        undefined,
        'Aliases count each time: use fewer of them, or split the document.',
      );
    if (depth > limits.maxDepth) {
      throw new UnreadableValueError(
        `is nested deeper than ${limits.maxDepth} levels`,
        isNodeLike(node) ? node : undefined,
        NESTING_FIX,
      );
    }
    if (isAlias(node)) return convertOnce(resolve(document, node), node, depth);
    if (isMap(node)) return convertOnce(node, node, depth);
    if (isSeq(node)) return convertOnce(node, node, depth);
    if (isScalar(node)) return scalar(node.value, node);
    return null;
  };

  const convertOnce = (node: Node, at: Node, depth: number): unknown => {
    if (isScalar(node)) return scalar(node.value, at);
    if (inside.has(node)) throw new UnreadableValueError('refers to itself through an alias', at, 'Remove the alias.');
    inside.add(node);
    const value = isMap(node)
      ? object(node, depth)
      : isSeq(node)
        ? node.items.map((item) => convert(item, depth + 1))
        : null;
    inside.delete(node);
    return value;
  };

  const object = (node: YAMLMap, depth: number): Record<string, unknown> => {
    const result: Record<string, unknown> = {};
    const merged: Record<string, unknown>[] = [];
    for (const pair of node.items) {
      if (isMergeKey(pair.key)) {
        const value = convert(pair.value, depth + 1);
        for (const part of Array.isArray(value) ? value : [value]) {
          if (!isRecord(part))
            throw new UnreadableValueError(
              'merges something that is not an object',
              nodeOf(pair.value),
              'Merge an object, or a list of objects.',
            );
          merged.push(part);
        }
        continue;
      }
      const key = keyText(pair.key);
      if (FORBIDDEN_KEYS.has(key))
        throw new UnreadableValueError(
          `has the key "${key}", which is never allowed`,
          nodeOf(pair.key),
          'Choose another name.',
        );
      // Here, not in the parser, which compares each key with every other of its object.
      if (Object.hasOwn(result, key))
        throw new UnreadableValueError('the key appears twice in one object', nodeOf(pair.key), ONE_OF_TWO, 'W0002');
      result[key] = convert(pair.value, depth + 1);
    }
    // An explicit key wins over a merged one, an earlier merge over a later.
    for (const part of merged)
      for (const [key, value] of Object.entries(part)) if (!Object.hasOwn(result, key)) result[key] = value;
    return result;
  };

  return convert(document.contents, 0);
}

/** The text of a mapping key; JSON has no other keys. @throws {UnreadableValueError} for a list or object as key. */
export function keyText(key: unknown): string {
  if (isScalar(key)) {
    const { value } = key;
    if (typeof value === 'string') return value;
    // A key such as 8080, 1.5 or true.
    return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean'
      ? String(value)
      : 'null';
  }
  if (key === null) return 'null';
  throw new UnreadableValueError('has a list or an object as a key', nodeOf(key), 'Write the key in quotes, as text.');
}

export const isMergeKey = (key: unknown): boolean =>
  isScalar(key) &&
  key.type !== 'QUOTE_DOUBLE' &&
  key.type !== 'QUOTE_SINGLE' &&
  (key.value === '<<' || typeof key.value === 'symbol');

export function resolve(document: Document.Parsed, alias: Node): Node {
  const target = isAlias(alias) ? alias.resolve(document) : alias;
  if (target === undefined)
    throw new UnreadableValueError(
      'refers to an anchor that does not exist',
      alias,
      'Define it above with &, or write text that begins with * in quotes.',
    );
  return target;
}

function scalar(value: unknown, node: Node): unknown {
  if (typeof value === 'bigint') {
    const number = Number(value);
    if (!Number.isSafeInteger(number)) {
      throw new UnreadableValueError(
        `has a whole number that loses digits (${value})`,
        node,
        'Write it in quotes, as text.',
      );
    }
    return number;
  }
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new UnreadableValueError('has a number that JSON can not hold', node, 'Write it in quotes, as text.');
  }
  return value ?? null;
}

const isNodeLike = (value: unknown): value is Node => isMap(value) || isSeq(value) || isScalar(value) || isAlias(value);
const nodeOf = (value: unknown): Node | undefined =>
  isNodeLike(value) ? value : isPair(value) && isNodeLike(value.key) ? value.key : undefined;
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
