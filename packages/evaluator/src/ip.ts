// Addresses as four 32-bit words in network order, IPv4 in the mapped form, so that one comparison serves both.

export type AddressWords = readonly [number, number, number, number];

const V4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;

function parseV4(text: string): number | undefined {
  const parts = V4.exec(text);
  if (parts === null) return undefined;
  let word = 0;
  for (let i = 1; i <= 4; i += 1) {
    const octet = Number(parts[i]);
    if (octet > 255) return undefined;
    word = word * 256 + octet;
  }
  return word >>> 0;
}

/** @returns undefined unless the text is an IPv4 or IPv6 address (without port, brackets or zone). */
export function parseAddress(text: string): AddressWords | undefined {
  const v4 = parseV4(text);
  if (v4 !== undefined) return [0, 0, 0xffff, v4];
  if (!text.includes(':')) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [left, right] = halves.map((half) => (half === '' ? [] : groupsOf(half)));
  if (left === undefined) return undefined;
  let groups: number[];
  if (right === undefined) {
    groups = left;
  } else {
    const missing = 8 - left.length - right.length;
    if (missing < 1) return undefined;
    groups = [...left, ...Array.from({ length: missing }, () => 0), ...right];
  }
  if (groups.length !== 8 || groups.some((group) => Number.isNaN(group))) return undefined;
  const word = (i: number): number => (((groups[i] ?? 0) << 16) | (groups[i + 1] ?? 0)) >>> 0;
  return [word(0), word(2), word(4), word(6)];
}

function groupsOf(half: string): number[] {
  return half.split(':').flatMap((group, i, all) => {
    const v4 = i === all.length - 1 ? parseV4(group) : undefined;
    if (v4 !== undefined) return [v4 >>> 16, v4 & 0xffff];
    return [/^[0-9a-fA-F]{1,4}$/.test(group) ? Number.parseInt(group, 16) : Number.NaN];
  });
}

/** @returns undefined when the prefix is not an address or the length is out of its range. */
export function cidrTest(prefix: string, length: number): ((address: AddressWords) => boolean) | undefined {
  const words = parseAddress(prefix);
  if (words === undefined) return undefined;
  const isV4 = parseV4(prefix) !== undefined;
  if (!Number.isInteger(length) || length < 0 || length > (isV4 ? 32 : 128)) return undefined;
  const bits = isV4 ? length + 96 : length;
  const masks = [0, 1, 2, 3].map((i) => {
    const ones = Math.min(32, Math.max(0, bits - i * 32));
    return ones === 0 ? 0 : (0xffffffff << (32 - ones)) >>> 0;
  });
  return (address) => {
    for (let i = 0; i < 4; i += 1) {
      if ((((address[i] ?? 0) ^ (words[i] ?? 0)) & (masks[i] ?? 0)) !== 0) return false;
    }
    return true;
  };
}

/** The address with all but the first bits cleared, as `10.0.0.0/8`; undefined when it is no address. */
export function maskedAddress(text: string, v4Bits: number, v6Bits: number): string | undefined {
  const words = parseAddress(text);
  if (words === undefined) return undefined;
  const isV4 = parseV4(text) !== undefined;
  const bits = isV4 ? v4Bits + 96 : v6Bits;
  const [a, b, c, d] = words.map((word, i) => {
    const ones = Math.min(32, Math.max(0, bits - i * 32));
    return ones === 0 ? 0 : (word & (0xffffffff << (32 - ones))) >>> 0;
  }) as [number, number, number, number];
  if (isV4) return `${d >>> 24}.${(d >>> 16) & 255}.${(d >>> 8) & 255}.${d & 255}/${v4Bits}`;
  return `${compressed([a, b, c, d].flatMap((word) => [word >>> 16, word & 0xffff]))}/${v6Bits}`;
}

/** RFC 5952 §4.2: the longest run of zero groups becomes `::`. */
function compressed(groups: readonly number[]): string {
  const text = groups.map((group) => group.toString(16)).join(':');
  const runs = [...text.matchAll(/(?:^|(?<=:))0(?::0)+(?=:|$)/g)];
  const longest = runs.reduce<RegExpMatchArray | undefined>(
    (best, run) => (best === undefined || run[0].length > best[0].length ? run : best),
    undefined,
  );
  if (longest === undefined) return text;
  const start = longest.index ?? 0;
  const [before, after] = [text.slice(0, start), text.slice(start + longest[0].length)];
  return `${before === '' ? ':' : before}${after === '' ? ':' : after}`;
}
