/** From a path in the JSON value back to the line and column that wrote it. */
import { isAlias, isMap, isScalar, isSeq, type Document, type LineCounter, type Node } from 'yaml';
import { camelCase } from '../validate/names.ts';
import { isMergeKey, keyText } from './yaml-values.ts';

export type PathSegment = string | number;
export type Path = readonly PathSegment[];

export interface Position {
  readonly line: number;
  readonly column: number;
}

interface Found {
  /** Where the thing begins: its key in an object, itself in a list. */
  readonly at: Node;
  readonly value: unknown;
}

/**
 * The position of the value at a path; of the nearest thing around it when the path leads to nothing.
 * A scalar is where it is written, an object or list where its key is.
 */
export function locate(
  document: Document.Parsed,
  lines: LineCounter,
  path: Path,
  want: 'key' | 'value' = 'value',
): Position {
  let found: Found = { at: document.contents as Node, value: document.contents };
  for (const segment of path) {
    const next = step(document, found.value, segment, 0);
    if (next === undefined) break;
    found = next;
  }
  const value = found.value;
  const node = want === 'value' && isScalar(value) && value.range && value.value !== null ? value : found.at;
  return positionAt(lines, node?.range?.[0] ?? document.range[0]);
}

export function positionAt(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

function step(document: Document.Parsed, value: unknown, segment: PathSegment, hops: number): Found | undefined {
  if (isAlias(value)) {
    // Aliases to aliases can not be written, so one hop is enough; the bound guards against surprises.
    return hops > 8 ? undefined : step(document, value.resolve(document), segment, hops + 1);
  }
  if (isSeq(value) && typeof segment === 'number') {
    const item: unknown = value.items[segment];
    return item === undefined ? undefined : { at: item as Node, value: item };
  }
  if (!isMap(value)) return undefined;
  const pairs = value.items;
  const wanted = String(segment);
  const pair =
    pairs.find(({ key }) => isScalar(key) && keyText(key) === wanted) ??
    pairs.find(({ key }) => isScalar(key) && camelCase(keyText(key)) === wanted);
  if (pair !== undefined) return { at: pair.key as Node, value: pair.value };
  for (const { key, value: merged } of pairs) {
    if (!isMergeKey(key)) continue;
    const target = isAlias(merged) ? merged.resolve(document) : merged;
    for (const part of isSeq(target) ? target.items : [target]) {
      const found = step(document, part, segment, hops + 1);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}
