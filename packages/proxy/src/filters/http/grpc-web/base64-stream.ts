const GROUP = 4;
const EMPTY = Buffer.alloc(0);
const VALID = /^[A-Za-z0-9+/=]*$/;

/** Decodes base64 that comes in any pieces, and whose padding may stand inside: texts that were encoded one by one. */
export class Base64Stream {
  #rest = '';

  /** @returns undefined for what is no base64. */
  decode(buffer: Uint8Array, start: number, end: number, last: boolean): Buffer | undefined {
    const text = this.#rest + Buffer.from(buffer.buffer, buffer.byteOffset + start, end - start).toString('latin1');
    const usable = text.length - (text.length % GROUP);
    this.#rest = text.slice(usable);
    if (last && this.#rest !== '') return undefined;
    return usable === 0 ? EMPTY : decodeGroups(text.slice(0, usable));
  }
}

function decodeGroups(text: string): Buffer | undefined {
  if (!VALID.test(text)) return undefined;
  if (!text.includes('=')) return Buffer.from(text, 'base64');
  const parts: Buffer[] = [];
  let from = 0;
  for (let at = text.indexOf('='); at >= 0; at = text.indexOf('=', from)) {
    // Padding ends its group of four.
    const to = at - (at % GROUP) + GROUP;
    const group = text.slice(at - (at % GROUP), to);
    if (!/^[A-Za-z0-9+/]{2}(?:==|[A-Za-z0-9+/]=)$/.test(group)) return undefined;
    parts.push(Buffer.from(text.slice(from, to), 'base64'));
    from = to;
  }
  parts.push(Buffer.from(text.slice(from), 'base64'));
  return Buffer.concat(parts);
}
