import { describe, expect, it } from 'vitest';
import { cidrTest } from '@weft/evaluator';
import { PRIVATE_CELLS, reserveCells, type SharedCells, SharedTable } from '../shared/shared-cells.ts';
import { ClientBook } from './client-book.ts';
import type { ClientLimits } from './client-limits.ts';

const FREE: ClientLimits = {
  maxConnections: Infinity,
  perSecond: Infinity,
  burst: Infinity,
  strikes: 0,
  strikeWindowMs: 10_000,
  refuseMs: 5_000,
  exempt: [],
};

function book(limits: Partial<ClientLimits>, shared: SharedCells = PRIVATE_CELLS) {
  let nowMs = 1_700_000_000_000;
  const made = new ClientBook({ ...FREE, ...limits }, { listener: 'l', shared, now: () => nowMs });
  return {
    made,
    wait: (ms: number) => void (nowMs += ms),
    /** How many of so many got in. */
    enter: (address: string, times = 1) => Array.from({ length: times }, () => made.enter(address)),
  };
}
const outcomes = (entered: readonly unknown[]): string[] =>
  entered.map((one) => (typeof one === 'string' ? one : one === undefined ? 'exempt' : 'in'));

describe('what one address may take', () => {
  it('is so many connections at once, and a place that was left can be taken again', () => {
    const { enter } = book({ maxConnections: 2 });
    const first = enter('9.9.9.9', 3);
    expect(outcomes(first)).toEqual(['in', 'in', 'client_overflow']);
    expect(outcomes(enter('9.9.9.8'))).toEqual(['in']);
    const [one] = first;
    if (typeof one === 'object') one.left();
    expect(outcomes(enter('9.9.9.9', 2))).toEqual(['in', 'client_overflow']);
  });

  it('is so many new connections a second, and more at once after a rest', () => {
    const { enter, wait } = book({ perSecond: 2, burst: 3 });
    expect(outcomes(enter('9.9.9.9', 4))).toEqual(['in', 'in', 'in', 'client_rate_limited']);
    wait(500);
    expect(outcomes(enter('9.9.9.9', 2))).toEqual(['in', 'client_rate_limited']);
    wait(60_000);
    expect(outcomes(enter('9.9.9.9', 4))).toEqual(['in', 'in', 'in', 'client_rate_limited']);
  });

  it('is nothing for a while after floods in short order, and all again afterwards', () => {
    const { enter, wait } = book({ strikes: 2 });
    const strike = (): void => {
      const [one] = enter('9.9.9.9');
      if (typeof one === 'object') one.strike();
    };
    strike();
    wait(10_001);
    strike();
    expect(outcomes(enter('9.9.9.9'))).toEqual(['in']);
    strike();
    expect(outcomes([...enter('9.9.9.9'), ...enter('9.9.9.8')])).toEqual(['client_abuse_refused', 'in']);
    wait(4_999);
    expect(outcomes(enter('9.9.9.9'))).toEqual(['client_abuse_refused']);
    wait(1);
    expect(outcomes(enter('9.9.9.9'))).toEqual(['in']);
  });

  it('counts the addresses of one IPv6 network as one, and IPv4 however it is written', () => {
    const { enter } = book({ maxConnections: 1 });
    expect(outcomes([...enter('2001:db8::1'), ...enter('2001:db8::2'), ...enter('2001:db8:0:1::1')])).toEqual([
      'in',
      'client_overflow',
      'in',
    ]);
    expect(outcomes([...enter('9.9.9.9'), ...enter('::ffff:9.9.9.9')])).toEqual(['in', 'client_overflow']);
  });

  it('is one for all workers', () => {
    const memory = reserveCells(64);
    const limits = { maxConnections: 3, perSecond: 4, burst: 4, strikes: 2 };
    const [one, other] = [book(limits, new SharedTable(memory)), book(limits, new SharedTable(memory))];
    const mine = one.enter('9.9.9.9', 2);
    const theirs = other.enter('9.9.9.9', 2);
    expect(outcomes([...mine, ...theirs])).toEqual(['in', 'in', 'in', 'client_overflow']);
    for (const place of [...mine, ...theirs]) if (typeof place === 'object') place.left();
    // Three of four places in this moment are used up.
    expect(outcomes([...other.enter('9.9.9.9'), ...one.enter('9.9.9.9')])).toEqual(['in', 'client_rate_limited']);
    for (const place of [mine[0], theirs[0]]) if (typeof place === 'object') place.strike();
    expect(outcomes([...one.enter('9.9.9.9'), ...other.enter('9.9.9.9')])).toEqual([
      'client_abuse_refused',
      'client_abuse_refused',
    ]);
  });

  it('has no end for addresses that are left out', () => {
    const test = cidrTest('10.0.0.0', 8);
    const { enter } = book({ maxConnections: 1, exempt: test === undefined ? [] : [test] });
    expect(outcomes([...enter('10.1.2.3', 2), ...enter('11.1.2.3', 2)])).toEqual([
      'exempt',
      'exempt',
      'in',
      'client_overflow',
    ]);
  });

  it('is forgotten of those who hold nothing, once there are many', () => {
    const { made, enter } = book({ maxConnections: 1 });
    enter('9.9.9.9');
    for (let i = 0; i < 30_000; i += 1) {
      const [one] = enter(`20.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
      if (typeof one === 'object') one.left();
    }
    expect(made.size).toBeLessThanOrEqual(10_000);
    expect(outcomes(enter('9.9.9.9'))).toEqual(['client_overflow']);
  });
});
