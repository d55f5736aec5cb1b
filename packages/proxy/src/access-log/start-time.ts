const pad = (value: number, width = 2): string => String(value).padStart(width, '0');

const FIELDS: Readonly<Record<string, (date: Date) => string>> = {
  Y: (date) => pad(date.getUTCFullYear(), 4),
  m: (date) => pad(date.getUTCMonth() + 1),
  d: (date) => pad(date.getUTCDate()),
  H: (date) => pad(date.getUTCHours()),
  M: (date) => pad(date.getUTCMinutes()),
  S: (date) => pad(date.getUTCSeconds()),
  F: (date) => date.toISOString().slice(0, 10),
  T: (date) => date.toISOString().slice(11, 19),
  s: (date) => String(Math.floor(date.getTime() / 1000)),
  z: () => '+0000',
  Z: () => 'UTC',
  '%': () => '%',
};

/** A formatter in UTC for a strftime pattern with `%f` and `%3f`-like fractions; empty = ISO with milliseconds. @returns undefined for an unknown field. */
export function formatTime(pattern: string): ((epochMs: number) => string) | undefined {
  if (pattern === '') return isoTime();
  const parts: ((date: Date) => string)[] = [];
  for (let i = 0; i < pattern.length; i += 1) {
    const char = pattern[i] ?? '';
    if (char !== '%') {
      parts.push(() => char);
      continue;
    }
    const fraction = /^%([1-9])?f/.exec(pattern.slice(i));
    if (fraction !== null) {
      const digits = Number(fraction[1] ?? 9);
      parts.push((date) => pad(date.getUTCMilliseconds(), 3).padEnd(9, '0').slice(0, digits));
      i += fraction[0].length - 1;
      continue;
    }
    const field = FIELDS[pattern[i + 1] ?? ''];
    if (field === undefined) return undefined;
    parts.push(field);
    i += 1;
  }
  return (epochMs) => {
    const date = new Date(epochMs);
    return parts.map((part) => part(date)).join('');
  };
}

/** ISO with milliseconds. Many requests begin in one second: what is above it is made once. */
function isoTime(): (epochMs: number) => string {
  let second = Number.NaN;
  let upToSecond = '';
  return (epochMs) => {
    const whole = Math.floor(epochMs / 1000);
    if (whole !== second) {
      second = whole;
      upToSecond = new Date(whole * 1000).toISOString().slice(0, 20);
    }
    return `${upToSecond}${pad(Math.floor(epochMs - whole * 1000), 3)}Z`;
  };
}
