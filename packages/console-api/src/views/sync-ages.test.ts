import { FakeClock } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import type { ProxyRecord } from '../ports.ts';
import { withAges } from './sync-ages.ts';

describe('withAges', () => {
  it('dates each state from when it was first seen, and anew when it changes', () => {
    const clock = new FakeClock(1_000);
    let state: 'synced' | 'stale' = 'stale';
    const list = (): readonly ProxyRecord[] => [
      { id: 'p', namespace: 'default', name: 'p', kind: 'sidecar', connected: true, sync: [{ type: 'RDS', state }] },
    ];
    const source = withAges({ list, subscribe: () => () => {} }, clock);
    const since = () => source.list()[0]?.sync[0]?.sinceMs;
    expect(since()).toBe(1_000);
    clock.advance(9_000);
    expect(since()).toBe(1_000);
    state = 'synced';
    expect(since()).toBe(10_000);
  });
  it('believes a source that says it itself', () => {
    const sync = [{ type: 'RDS', state: 'stale' as const, sinceMs: 5 }];
    const proxy: ProxyRecord = { id: 'p', namespace: 'default', name: 'p', kind: 'sidecar', connected: true, sync };
    const source = withAges({ list: () => [proxy], subscribe: () => () => {} }, new FakeClock(100));
    expect(source.list()[0]?.sync[0]?.sinceMs).toBe(5);
  });
});
