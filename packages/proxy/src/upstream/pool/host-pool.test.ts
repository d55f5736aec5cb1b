import { describe, expect, it } from 'vitest';
import { Circuit, DEFAULT_CIRCUIT_LIMITS } from '../circuit.ts';
import { HostPool, type PoolWaiter } from './host-pool.ts';

const waiter = (): PoolWaiter => ({ onPoolReady: () => undefined, onPoolFailed: () => undefined });

/** A pool whose connections never come about. */
function stuckPool() {
  const circuit = new Circuit(DEFAULT_CIRCUIT_LIMITS);
  const cancelled: number[] = [];
  let made = 0;
  const pool = new HostPool({
    circuit,
    expectedStreams: 1,
    open: () => {
      throw new Error('nothing connects');
    },
    connect: () => {
      const number = (made += 1);
      return { cancel: () => void cancelled.push(number) };
    },
    onConnectFailed: () => undefined,
  });
  return { pool, circuit, cancelled };
}

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
