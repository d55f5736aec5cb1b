import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alarmAtMs, maxRetryDelayMs, renewAtMs, urgency } from './renewal.ts';

const lifetime = fc
  .tuple(fc.integer({ min: 0, max: 1e12 }), fc.integer({ min: 1, max: 1e10 }))
  .map(([issuedAt, length]) => ({ issuedAt, expiresAt: issuedAt + length }));
const uniform = fc.double({ min: 0, max: 0.999_999, noNaN: true });

describe('renewal', () => {
  it('is due between 49 and 51 hundredths of the lifetime', () => {
    fc.assert(
      fc.property(lifetime, uniform, (of, chance) => {
        const share = (renewAtMs(of, chance) - of.issuedAt) / (of.expiresAt - of.issuedAt);
        expect(share).toBeGreaterThanOrEqual(0.4899);
        expect(share).toBeLessThanOrEqual(0.5101);
      }),
    );
  });

  it('is never due in the past of a certificate that came expired', () => {
    expect(renewAtMs({ issuedAt: 1_000, expiresAt: 500 }, 0.5)).toBe(1_000);
  });

  it('becomes urgent with a fifth left', () => {
    const day = { issuedAt: 0, expiresAt: 100_000 };
    expect([0, 79_999, 80_001, 99_999, 100_000].map((at) => urgency(day, at))).toEqual([
      'calm',
      'calm',
      'alarm',
      'alarm',
      'expired',
    ]);
    expect(alarmAtMs(day)).toBe(80_000);
  });

  it('is retried quickly for a workload that waits and for short certificates', () => {
    expect(maxRetryDelayMs(undefined)).toBe(3_000);
    expect(maxRetryDelayMs({ issuedAt: 0, expiresAt: 86_400_000 })).toBe(30_000);
    expect(maxRetryDelayMs({ issuedAt: 0, expiresAt: 60_000 })).toBe(3_000);
    expect(maxRetryDelayMs({ issuedAt: 0, expiresAt: 100 })).toBe(50);
  });
});
