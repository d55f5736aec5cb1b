// Just enough of DER (X.690) to find things in what OpenSSL has checked already.

export interface Element {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

export const DER = { integer: 0x02, octetString: 0x04, objectId: 0x06, sequence: 0x30 } as const;

/** @returns no children where one of them is malformed. */
export function childrenOf(der: Uint8Array, parent: Element): Element[] {
  const children: Element[] = [];
  for (let at = parent.start; at < parent.end;) {
    const child = elementAt(der, at, parent.end);
    if (child === undefined) return [];
    children.push(child);
    at = child.end;
  }
  return children;
}

export function elementAt(der: Uint8Array, at: number, limit: number): Element | undefined {
  const tag = der[at];
  const first = der[at + 1];
  if (tag === undefined || first === undefined) return undefined;
  let start = at + 2;
  let length = first;
  if (first >= 0x80) {
    const size = first & 0x7f;
    if (size === 0 || size > 4) return undefined;
    length = 0;
    for (let i = 0; i < size; i += 1) length = length * 256 + (der[start + i] ?? 0);
    start += size;
  }
  const end = start + length;
  return end <= limit ? { tag, start, end } : undefined;
}
