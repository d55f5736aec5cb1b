import { parseConfig } from '../parse-config.ts';
import { FakeClock } from '@weft/testkit';
import { silentLogger } from '@weft/kit';
import { describe, expect, it } from 'vitest';
import type { ConfigEvent } from './config-store.ts';
import { createMemoryStore } from './memory-store.ts';

const service = (name: string, port = 1) =>
  parseConfig(`apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {ports: [{port: ${port}}]}\n`, 'f')
    .objects;

describe('memory store', () => {
  it('tells of what changed, once per apply, and of nothing when nothing did', async () => {
    const store = createMemoryStore({ clock: new FakeClock(), logger: silentLogger });
    const events: ConfigEvent[] = [];
    const unsubscribe = store.subscribe((event) => events.push(event));
    expect(await store.apply([...service('a'), ...service('b')])).toMatchObject([
      { outcome: 'created' },
      { outcome: 'created' },
    ]);
    expect(await store.apply(service('a'))).toMatchObject([{ outcome: 'unchanged' }]);
    expect(await store.apply(service('a', 2))).toMatchObject([{ outcome: 'configured' }]);
    expect(await store.delete({ kind: 'Service', namespace: 'default', name: 'b' })).toBe(true);
    expect(await store.delete({ kind: 'Service', namespace: 'default', name: 'b' })).toBe(false);
    unsubscribe();
    await store.apply(service('c'));
    expect(
      events.map(({ version, changes }) => [
        version,
        changes.map(({ type, object }) => `${type} ${object.metadata.name}`),
      ]),
    ).toEqual([
      [1, ['added a', 'added b']],
      [2, ['updated a']],
      [3, ['deleted b']],
    ]);
    expect(store.status()).toMatchObject({ ready: true, version: 4, objects: 2 });
  });

  it('lists the oldest first, then by name, and keeps ages through changes', async () => {
    const clock = new FakeClock(1_000);
    const store = createMemoryStore({ clock, objects: [...service('z'), ...service('x')].map(({ object }) => object) });
    clock.advance(1);
    await store.apply(service('a'));
    clock.advance(1);
    await store.apply(service('z', 9));
    expect(store.list('Service').map(({ metadata }) => metadata.name)).toEqual(['x', 'z', 'a']);
    expect(store.list().length).toBe(3);
    expect(store.list('Gateway')).toEqual([]);
    const z = store.get('Service', 'default', 'z');
    expect(z?.metadata).toMatchObject({ creationTimestamp: '1970-01-01T00:00:01.000Z', generation: 2 });
    expect(Number(z?.metadata.resourceVersion)).toBeGreaterThan(
      Number(store.get('Service', 'default', 'a')?.metadata.resourceVersion),
    );
  });

  it('goes on when a listener throws', async () => {
    const store = createMemoryStore({ clock: new FakeClock() });
    const told: number[] = [];
    store.subscribe(() => {
      throw new Error('no');
    });
    store.subscribe(({ version }) => told.push(version));
    await store.apply(service('a'));
    expect(told).toEqual([1]);
  });
});
