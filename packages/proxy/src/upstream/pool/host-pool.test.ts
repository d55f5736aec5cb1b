import { describe, expect, it } from 'vitest';
import type { ConnectOutcome } from '../connector.ts';
import { Circuit, DEFAULT_CIRCUIT_LIMITS } from '../circuit.ts';
import { HostPool, type PoolWaiter } from './host-pool.ts';

const waiter = (): PoolWaiter => ({ onPoolReady: () => undefined, onPoolFailed: () => undefined });

/** A pool whose connections never come about by themselves. */
function stuckPool() {
  const circuit = new Circuit(DEFAULT_CIRCUIT_LIMITS);
  const cancelled: number[] = [];
  const outcomes: ConnectOutcome[] = [];
  let made = 0;
  const pool = new HostPool({
    circuit,
    expectedStreams: 1,
    open: () => {
      throw new Error('nothing connects');
    },
    connect: (_, outcome) => {
      outcomes.push(outcome);
      const number = (made += 1);
      return { cancel: () => void cancelled.push(number) };
    },
    onConnectFailed: () => undefined,
  });
  return { pool, circuit, cancelled, outcomes };
}

describe('a connection that fails', () => {
  it('fails the oldest that waits, and no other that may still get one', () => {
    const { pool, circuit, outcomes } = stuckPool();
    const failed: string[] = [];
    const named = (name: string): PoolWaiter => ({
      onPoolReady: () => undefined,
      onPoolFailed: () => failed.push(name),
    });
    pool.acquire(named('a'));
    pool.acquire(named('b'));
    outcomes[0]?.onConnectFailed('upstream-connect-failure', 'refused');
    expect(failed).toEqual(['a']);
    // Somebody always comes while another connection is being made.
    pool.acquire(named('c'));
    outcomes[1]?.onConnectFailed('upstream-connect-failure', 'refused');
    expect(failed).toEqual(['a', 'b']);
    outcomes[2]?.onConnectFailed('upstream-connect-failure', 'refused');
    expect([failed, circuit.connections, circuit.pending]).toEqual([['a', 'b', 'c'], 0, 0]);
  });
});

describe('waiters that leave', () => {
  it('take the connection that was being made for them along, the youngest first', () => {
    const { pool, circuit, cancelled } = stuckPool();
    const waiters = [waiter(), waiter(), waiter()];
    for (const one of waiters) pool.acquire(one);
    expect([circuit.connections, circuit.pending]).toEqual([3, 3]);
    for (const one of waiters) pool.leave(one);
    expect(cancelled).toEqual([3, 2, 1]);
    expect([circuit.connections, circuit.pending]).toEqual([0, 0]);
  });

  it('take nothing twice', () => {
    const { pool, circuit, cancelled } = stuckPool();
    const [stays, leaves] = [waiter(), waiter()];
    pool.acquire(stays);
    pool.acquire(leaves);
    pool.leave(leaves);
    pool.leave(leaves);
    expect(cancelled).toEqual([2]);
    expect([circuit.connections, circuit.pending]).toEqual([1, 1]);
  });
});
