/** Where in a text of YAML a field stands, so that findings can be shown beside it whatever file they came from. Pure. */
import { isMap, isNode, isPair, isSeq, LineCounter, parseDocument } from 'yaml';

/** @param field `spec.http[0].route`. @returns the line, from 1, of the field or of the nearest thing around it. */
export function lineOfField(yaml: string, field: string): number | undefined {
  const lines = new LineCounter();
  const document = parseDocument(yaml, { lineCounter: lines, version: '1.1', logLevel: 'silent' });
  let value: unknown = document.contents;
  let offset: number | undefined;
  for (const segment of segmentsOf(field)) {
    const next = child(value, segment);
    if (!next) break;
    offset = next.offset ?? offset;
    value = next.value;
  }
  return offset === undefined ? undefined : lines.linePos(offset).line;
}

const segmentsOf = (field: string): readonly string[] =>
  [...field.matchAll(/[^.[\]]+/g)].map(([segment]) => segment.replaceAll(/^["']|["']$/g, ''));

function child(value: unknown, segment: string): { readonly value: unknown; readonly offset?: number } | undefined {
  if (isSeq(value)) {
    const item = value.items[Number(segment)];
    return isNode(item) && item.range ? { value: item, offset: item.range[0] } : undefined;
  }
  if (!isMap(value)) return undefined;
  const pair = value.items.find((item) => isPair(item) && String(item.key) === segment);
  if (!pair) return undefined;
  const start = isNode(pair.key) ? pair.key.range?.[0] : undefined;
  return { value: pair.value, ...(start === undefined ? {} : { offset: start }) };
}
