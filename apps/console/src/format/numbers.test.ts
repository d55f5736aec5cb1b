import { describe, expect, it } from 'vitest';
import { ago, bytes, duration, percent, rate, span, until } from './numbers.ts';

describe('numbers', () => {
  it.each([
    [rate(0), '0/s'],
    [rate(0.001), '0/s'],
    [rate(0.25), '0.25/s'],
    [rate(12.345), '12.3/s'],
    [rate(4321.9), '4,322/s'],
    [percent(0), '0 %'],
    [percent(0.01), '<0.1 %'],
    [percent(12.34), '12.3 %'],
    [percent(99.97), '>99.9 %'],
    [percent(100), '100 %'],
    [duration(0.4), '0.4 ms'],
    [duration(4.26), '4.26 ms'],
    [duration(412.6), '413 ms'],
    [duration(1_500), '1.5 s'],
    [duration(90_000), '1 min'],
    [bytes(999), '999 B'],
    [bytes(12_345), '12.3 KB'],
    [span(0), 'less than a second'],
    [span(61_000), '1 min'],
    [span(93_600_000), '1 d 2 h'],
    [span(400 * 86_400_000), '1 y 35 d'],
    [ago(0, 500), 'just now'],
    [ago(0, 12_000), '12 s ago'],
    [until(60_000, 0), 'in 1 min'],
    [until(0, 60_000), '1 min ago'],
  ])('%s is %s', (shown, expected) => expect(shown).toBe(expected));
});
