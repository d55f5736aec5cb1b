import { describe, expect, it } from 'vitest';
import { createPodNumbers, createServiceAddresses, HUB_ADDRESS, isInside, podAddress, podMac } from './address-plan.ts';

describe('addresses of the isolated form', () => {
  it('gives pods addresses and hardware addresses that follow from their number', () => {
    expect([2, 255, 256, 65_533].map(podAddress)).toEqual([
      '10.244.0.2',
      '10.244.0.255',
      '10.244.1.0',
      '10.244.255.253',
    ]);
    expect([2, 256].map(podMac)).toEqual(['02:57:0a:f4:00:02', '02:57:0a:f4:01:00']);
  });

  it('gives a number again only after all the others, and refuses when none is left', () => {
    const numbers = createPodNumbers();
    const all = Array.from({ length: 65_532 }, () => numbers.take());
    expect([all[0], all.at(-1), new Set(all).size]).toEqual([2, 65_533, 65_532]);
    expect(() => numbers.take()).toThrow('at most 65532 workloads');
    numbers.release(7);
    expect(numbers.take()).toBe(7);
    const few = createPodNumbers();
    few.release(few.take());
    expect(few.take()).toBe(3);
  });

  it('keeps the virtual IP of a service', () => {
    const addressOf = createServiceAddresses();
    expect([addressOf('a'), addressOf('b'), addressOf('a')]).toEqual(['10.96.0.16', '10.96.0.17', '10.96.0.16']);
  });

  it('knows what exists inside only', () => {
    expect([HUB_ADDRESS, '10.96.1.2', '10.24.4.1', '192.0.2.1'].map(isInside)).toEqual([true, true, false, false]);
  });
});
