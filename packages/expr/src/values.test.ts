import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from './duration.ts';
import { isDnsName, isEmail, isUri } from './names.ts';
import { formatIp, parseIp, parseTimestamp, sameIp } from './values.ts';

describe('IP addresses', () => {
  it('are read and written back', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const bytes = parseIp(text);
        expect(bytes).toBeDefined();
        if (!bytes) return;
        expect(sameIp(parseIp(formatIp(bytes)) ?? new Uint8Array(), bytes)).toBe(true);
      }),
    );
  });

  it.each([
    '',
    '1.2.3',
    '1.2.3.256',
    '01.2.3.4',
    '1::2::3',
    '12345::',
    '::1%eth0',
    '1:2:3:4:5:6:7',
    '::1.2.3.4:5',
    'g::',
  ])('refuses %j', (text) => expect(parseIp(text)).toBeUndefined());

  it('uses the short form', () => {
    expect(formatIp(parseIp('2001:db8:0:0:1:0:0:0') ?? new Uint8Array())).toBe('2001:db8:0:0:1::');
    expect(formatIp(parseIp('::ffff:1.2.3.4') ?? new Uint8Array())).toBe('1.2.3.4');
  });
});

describe('durations', () => {
  it.each([
    ['0', 0],
    ['0ms', 0],
    ['1h30m', 5_400_000],
    ['1.5s', 1500],
    ['-2ms', -2],
    ['.5s', 500],
    ['10us', 0.01],
  ])('%s', (text, ms) => expect(parseDuration(text)).toBeCloseTo(ms, 9));

  it.each(['', '1', 's', '1 s', '1d', 'a1s', '--1s'])('refuses %j', (text) =>
    expect(parseDuration(text)).toBeUndefined(),
  );

  it('are written as Go does', () => {
    expect([0, 250, 1500, 90_000, 5_400_000, 0.25, -1500].map(formatDuration)).toEqual([
      '0s',
      '250ms',
      '1.5s',
      '1m30s',
      '1h30m0s',
      '250µs',
      '-1.5s',
    ]);
  });
});

describe('names', () => {
  it('accepts and refuses', () => {
    expect(['a', 'a.b.', 'xn--bcher-kva.example', '_sip.a', 'bücher.de'].every(isDnsName)).toBe(true);
    expect(['', '.', 'a..b', '-a', 'a-', 'a b', 'a/b', 'x'.repeat(64)].some(isDnsName)).toBe(false);
    expect(['a@b', 'first.last@x.y'].every(isEmail)).toBe(true);
    expect(['a', '@b', 'a@', '.a@b', 'a b@c', 'A <a@b>'].some(isEmail)).toBe(false);
    expect(['http://a', '/x', 'mailto:a@b', 'http://[::1]:80/x?y#z', '//a/b'].every(isUri)).toBe(true);
    expect(['', 'http://a b', '%zz', 'http://a:b/', ':x', '1a:b'].some(isUri)).toBe(false);
  });

  it('reads RFC 3339 only', () => {
    expect(parseTimestamp('2026-01-02T03:04:05.5Z')).toBe(Date.UTC(2026, 0, 2, 3, 4, 5, 500));
    expect(parseTimestamp('2026-01-02T03:04:05+01:00')).toBe(Date.UTC(2026, 0, 2, 2, 4, 5));
    expect(parseTimestamp('2026-01-02')).toBeUndefined();
    expect(parseTimestamp('2026-02-29T00:00:00Z')).toBeUndefined();
  });
});
