// The Huffman code of RFC 7541 appendix B. It is canonical: codes of one length are consecutive, in the order of their
// symbols, and shorter ones come first. So the lengths alone say everything, and the tables are built when this loads.

// Length of each symbol's code as a digit to base 36; the last one is EOS.
const LENGTHS =
  'dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca' +
  'd67777777777777777777777878djde6f56565666577666567655677777fbeds' +
  'kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn' +
  'qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrq' +
  'u';
const EOS = 256;
const SYMBOLS = 257;

const lengths = Uint8Array.from(LENGTHS, (digit) => Number.parseInt(digit, 36));
const codes = canonicalCodes();

function canonicalCodes(): Uint32Array {
  const order = Array.from({ length: SYMBOLS }, (_, symbol) => symbol).toSorted(
    (a, b) => (lengths[a] ?? 0) - (lengths[b] ?? 0) || a - b,
  );
  const made = new Uint32Array(SYMBOLS);
  let code = 0;
  let length = 0;
  for (const symbol of order) {
    const wanted = lengths[symbol] ?? 0;
    code <<= wanted - length;
    length = wanted;
    made[symbol] = code;
    code += 1;
  }
  return made;
}

// One step of the decoder takes four bits: next state, an output byte if a code ended, and what the state means.
const STATE_MASK = 0xff;
const SYMBOL_SHIFT = 8;
const EMITS = 1 << 16;
const FAILS = 1 << 17;
/** The text may end here: fewer than eight bits follow the last code, all of them ones. */
const MAY_END = 1 << 18;

const steps = buildSteps();

function buildSteps(): Uint32Array {
  // Inner nodes of the tree; a child below zero is a leaf that holds its symbol.
  const children: [number, number][] = [[0, 0]];
  const padding: boolean[] = [true];
  for (let symbol = 0; symbol < SYMBOLS; symbol += 1) {
    const length = lengths[symbol] ?? 0;
    const code = codes[symbol] ?? 0;
    let node = 0;
    for (let bit = length - 1; bit >= 0; bit -= 1) {
      const side = ((code >>> bit) & 1) as 0 | 1;
      const pair = children[node];
      if (pair === undefined) break;
      if (bit === 0) {
        pair[side] = -1 - symbol;
        break;
      }
      if (pair[side] === 0) {
        pair[side] = children.length;
        children.push([0, 0]);
        // EOS is all ones, so the nodes on its first seven bits are what padding may stop at.
        padding.push(symbolPrefixIsOnes(code, length, bit) && length - bit < 8);
      }
      node = pair[side];
    }
  }
  const table = new Uint32Array(children.length * 16);
  for (let start = 0; start < children.length; start += 1) {
    for (let nibble = 0; nibble < 16; nibble += 1) {
      let node = start;
      let entry = 0;
      for (let bit = 3; bit >= 0; bit -= 1) {
        const next = children[node]?.[((nibble >>> bit) & 1) as 0 | 1] ?? 0;
        if (next >= 0) {
          node = next;
          continue;
        }
        const symbol = -1 - next;
        if (symbol === EOS) entry |= FAILS;
        entry |= EMITS | ((symbol & 0xff) << SYMBOL_SHIFT);
        node = 0;
      }
      if (padding[node] === true) entry |= MAY_END;
      table[start * 16 + nibble] = entry | node;
    }
  }
  return table;
}

function symbolPrefixIsOnes(code: number, length: number, bit: number): boolean {
  const bits = length - bit;
  return code >>> bit === 2 ** bits - 1;
}

/** No code is shorter than five bits. */
export const maxDecodedLength = (encoded: number): number => Math.floor((encoded * 8) / 5);

/**
 * Decodes `source[start, end)` into `target` from 0 on; it must have room for `maxDecodedLength`.
 * @returns how many bytes were written, or -1 when the code or its padding is not valid.
 */
export function huffmanDecode(source: Uint8Array, start: number, end: number, target: Uint8Array): number {
  let at = 0;
  let entry = MAY_END;
  for (let i = start; i < end; i += 1) {
    const byte = source[i] as number;
    entry = steps[((entry & STATE_MASK) << 4) | (byte >>> 4)] as number;
    if ((entry & (EMITS | FAILS)) !== 0) {
      if ((entry & FAILS) !== 0) return -1;
      target[at] = entry >>> SYMBOL_SHIFT;
      at += 1;
    }
    entry = steps[((entry & STATE_MASK) << 4) | (byte & 15)] as number;
    if ((entry & (EMITS | FAILS)) !== 0) {
      if ((entry & FAILS) !== 0) return -1;
      target[at] = entry >>> SYMBOL_SHIFT;
      at += 1;
    }
  }
  return (entry & MAY_END) === 0 ? -1 : at;
}

/** Bytes that the code of a latin1 text takes. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i += 1) bits += lengths[text.charCodeAt(i) & 0xff] as number;
  return (bits + 7) >>> 3;
}

/** @returns where the code ends in `target`. */
export function huffmanEncode(text: string, target: Uint8Array, start: number): number {
  let at = start;
  // At most seven bits wait when the next code comes, and 7 + 30 bits do not fit 32: long codes go in two parts.
  let waiting = 0;
  let count = 0;
  for (let i = 0; i < text.length; i += 1) {
    const symbol = text.charCodeAt(i) & 0xff;
    let code = codes[symbol] as number;
    let length = lengths[symbol] as number;
    if (length > 16) {
      waiting = (waiting << (length - 16)) | (code >>> 16);
      count += length - 16;
      while (count >= 8) {
        count -= 8;
        target[at] = waiting >>> count;
        at += 1;
      }
      code &= 0xffff;
      length = 16;
    }
    waiting = ((waiting & 0xff) << length) | code;
    count += length;
    while (count >= 8) {
      count -= 8;
      target[at] = waiting >>> count;
      at += 1;
    }
  }
  if (count > 0) {
    target[at] = (waiting << (8 - count)) | (0xff >>> count);
    at += 1;
  }
  return at;
}
