import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { coarse, grpcMessage, isGrpcType, NO_GRPC_STATUS, parseGrpcTimeout, readGrpcStatus } from './grpc.ts';

describe('gRPC', () => {
  it.each([
    ['application/grpc', true],
    ['application/grpc+proto', true],
    ['application/grpc;charset=utf-8', true],
    ['application/grpc-web', false],
    ['application/grpc-web-text+proto', false],
    ['application/grp', false],
    [undefined, false],
  ])('is %s: %s', (type, is) => expect(isGrpcType(type)).toBe(is));

  it.each([
    ['5S', 5_000],
    ['100m', 100],
    ['1500u', 2],
    ['1n', 1],
    ['2M', 120_000],
    ['99999999H', 359_999_996_400_000],
  ])('has a deadline %s of %d ms', (text, ms) => expect(parseGrpcTimeout(text)).toBe(ms));

  it.each(['', '5', 'S', '-5S', '5 S', '5s', '100000000S', '1.5S', '5Sm'])(
    'does not take "%s" for a deadline',
    (text) => expect(parseGrpcTimeout(text)).toBeUndefined(),
  );

  it.each([
    ['0', 0],
    ['16', 16],
    ['17', 2],
    ['-1', 2],
    ['', 2],
    [undefined, NO_GRPC_STATUS],
  ])('reads status %s as %d', (text, status) => expect(readGrpcStatus(text)).toBe(status));

  it('says in a header what any text says', () => {
    expect(grpcMessage(Buffer.from('RBAC: access denied'))).toBe('RBAC: access denied');
    expect(grpcMessage(Buffer.from('100 % ✓\n'))).toBe('100 %25 %E2%9C%93%0A');
  });

  it('waits no shorter than asked, little longer, and for few different times', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000_000 }), (ms) => {
        expect(coarse(ms)).toBeGreaterThanOrEqual(ms);
        expect(coarse(ms)).toBeLessThanOrEqual(Math.max(ms + 5, ms * 1.06));
      }),
    );
    expect(new Set(Array.from({ length: 10_000 }, (_, i) => coarse(i + 1))).size).toBeLessThan(600);
  });
});
