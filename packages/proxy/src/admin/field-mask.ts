import type { JsonValue } from '@bufbuild/protobuf';

interface Mask {
  readonly [field: string]: Mask | true;
}

/** Keeps of a message what a field mask names, `cluster.name,version_info`; inside lists, of each element. */
export function applyMask(value: JsonValue, mask: string): JsonValue {
  return keep(value, parseMask(mask));
}

/** @throws for a mask that is none; its message is for the caller. */
function parseMask(text: string): Mask {
  const root: Record<string, Mask | true> = Object.create(null) as Record<string, Mask | true>;
  for (const path of text.split(',')) {
    if (!/^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*$/.test(path)) throw new Error(`mask: "${path}" is not a field`);
    const fields = path.split('.');
    let at = root;
    fields.forEach((field, i) => {
      const known = at[field];
      if (known === true) return;
      if (i === fields.length - 1) at[field] = true;
      else {
        const inner = (known ?? Object.create(null)) as Record<string, Mask | true>;
        at[field] = inner;
        at = inner;
      }
    });
  }
  return root;
}

function keep(value: JsonValue, mask: Mask | true): JsonValue {
  if (mask === true || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => keep(item, mask));
  const kept: Record<string, JsonValue> = {};
  for (const [field, inner] of Object.entries(value)) {
    const part = mask[field];
    if (part !== undefined) kept[field] = keep(inner, part);
    else if (field === '@type') kept[field] = inner;
  }
  return kept;
}
