// RFC 7541 §5.1: integers with a prefix of a few bits.

// Nothing that this codec limits comes near; four continuation bytes reach 2^28, and a fifth could only be padding or an attack.
const MAX_CONTINUATION_BYTES = 4;

/** Reads integers; `next` is where the last one ended. */
export class IntegerReader {
  next = 0;

  /** @returns the value, or -1 when the bytes end inside it or it is larger than anything here may be. */
  read(bytes: Uint8Array, at: number, end: number, prefixBits: number): number {
    if (at >= end) return -1;
    const most = (1 << prefixBits) - 1;
    const first = (bytes[at] as number) & most;
    if (first < most) {
      this.next = at + 1;
      return first;
    }
    let value = most;
    for (let i = 0; i < MAX_CONTINUATION_BYTES; i += 1) {
      const position = at + 1 + i;
      if (position >= end) return -1;
      const byte = bytes[position] as number;
      value += (byte & 0x7f) << (7 * i);
      if (byte < 0x80) {
        this.next = position + 1;
        return value;
      }
    }
    return -1;
  }
}

/** @param pattern the bits beside the prefix in the first byte. @returns where the integer ends. */
export function writeInteger(
  target: Uint8Array,
  at: number,
  pattern: number,
  prefixBits: number,
  value: number,
): number {
  const most = (1 << prefixBits) - 1;
  if (value < most) {
    target[at] = pattern | value;
    return at + 1;
  }
  target[at] = pattern | most;
  let position = at + 1;
  let rest = value - most;
  while (rest >= 0x80) {
    target[position] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
    position += 1;
  }
  target[position] = rest;
  return position + 1;
}
