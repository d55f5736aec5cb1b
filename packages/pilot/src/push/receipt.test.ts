import { FakeClock } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import type { ProxyStatus, TypeStatus } from '../ads/proxy-status.ts';
import type { ResourceKind } from '../generators/resource.ts';
import { awaitReceipt, receiptOf, type PushedProxy } from './receipt.ts';

const type = (state: TypeStatus['state'], sent: number, acked: number, nack?: number): TypeStatus => ({
  state,
  resources: 1,
  sentVersion: String(sent),
  ackedVersion: String(acked),
  ...(nack === undefined ? {} : { nack: { resource: 'r', reason: 'poisoned', at: 0, version: String(nack) } }),
});

const proxy = (
  name: string,
  changedVersion: number,
  types: Partial<Record<ResourceKind, TypeStatus>>,
  queued = false,
): PushedProxy => ({
  status: {
    id: name,
    workload: name,
    namespace: 'default',
    connectedAt: 0,
    protocol: 'delta',
    types,
    stale: false,
  } satisfies ProxyStatus,
  changedVersion,
  queued,
});

const names = (receipt: ReturnType<typeof receiptOf>) => ({
  acknowledged: receipt.acknowledged.map(({ id }) => id),
  waiting: receipt.waiting.map(({ id, types }) => `${id} ${types.join()}`),
  refused: receipt.refused.map(({ id, reason }) => `${id} ${reason}`),
});

describe('receiptOf', () => {
  it('tells who took the change, who refused it and who has not answered; others are no matter of it', () => {
    const receipt = receiptOf(5, 4, [
      proxy('took', 5, { cluster: type('SYNCED', 2, 2), route: type('SYNCED', 5, 5) }),
      proxy('refused', 5, { route: type('ERROR', 5, 3, 5) }),
      proxy('slow', 5, { listener: type('SYNCED', 5, 5), route: type('STALE', 5, 3) }),
      proxy('queued', 3, { route: type('SYNCED', 3, 3) }, true),
      proxy('other', 4, { route: type('STALE', 4, 3) }),
      proxy('refused earlier', 4, { route: type('ERROR', 4, 3, 4) }),
    ]);
    expect(names(receipt)).toEqual({
      acknowledged: ['took'],
      waiting: ['slow route', 'queued route'],
      refused: ['refused poisoned'],
    });
  });
  it('does not wait for news that came later, nor call a former refusal an answer', () => {
    const receipt = receiptOf(5, 4, [
      proxy('newer news under way', 6, { route: type('STALE', 6, 5) }),
      proxy('refused before, not answered now', 5, { route: type('ERROR', 5, 2, 3) }),
    ]);
    expect(names(receipt)).toEqual({
      acknowledged: ['newer news under way'],
      waiting: ['refused before, not answered now route'],
      refused: [],
    });
  });
  it('does not wait for removals that are held back behind a refusal', () => {
    const receipt = receiptOf(5, 4, [
      proxy('a', 5, { cluster: type('STALE', 5, 5), listener: type('ERROR', 5, 4, 5) }),
      proxy('b', 5, { cluster: type('STALE', 5, 4), listener: type('ERROR', 5, 4, 5) }),
    ]);
    expect(names(receipt)).toEqual({
      acknowledged: [],
      waiting: ['b cluster'],
      refused: ['a poisoned', 'b poisoned'],
    });
  });
  it('is complete when nobody is concerned and when nobody is there', () => {
    const nobody = { version: 5, acknowledged: [], waiting: [], refused: [] };
    expect(receiptOf(5, 5, [proxy('a', 5, { route: type('SYNCED', 5, 5) })])).toEqual(nobody);
    expect(receiptOf(5, 4, [])).toEqual(nobody);
  });
});

describe('awaitReceipt', () => {
  const setUp = () => {
    const clock = new FakeClock();
    const state: { version: number | undefined; proxies: PushedProxy[] } = { version: undefined, proxies: [] };
    const deps = { clock, built: () => () => state.version, proxies: () => state.proxies };
    return { clock, state, deps };
  };
  it('waits for the snapshot and then for the proxies', async () => {
    const { clock, state, deps } = setUp();
    let done = false;
    const receipt = awaitReceipt(deps, 4, 10_000).finally(() => (done = true));
    clock.advance(500);
    await Promise.resolve();
    expect(done).toBe(false);
    state.version = 5;
    state.proxies = [proxy('a', 5, { route: type('STALE', 5, 4) })];
    clock.advance(500);
    await Promise.resolve();
    expect(done).toBe(false);
    state.proxies = [proxy('a', 5, { route: type('SYNCED', 5, 5) })];
    clock.advance(500);
    expect(await receipt).toMatchObject({ version: 5, acknowledged: [{ id: 'a' }], waiting: [] });
  });
  it('ends when its time is over, and at once for a wait of nothing', async () => {
    const { clock, state, deps } = setUp();
    state.version = 5;
    state.proxies = [proxy('a', 5, { route: type('STALE', 5, 4) })];
    const late = awaitReceipt(deps, 4, 1000);
    clock.advance(1000);
    expect(await late).toMatchObject({ waiting: [{ id: 'a', types: ['route'] }] });
    expect(await awaitReceipt(deps, 4, 0)).toMatchObject({ waiting: [{ id: 'a' }] });
  });
});
