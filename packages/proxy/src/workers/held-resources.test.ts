import { create, toBinary } from '@bufbuild/protobuf';
import { type Cluster, ClusterSchema } from '@weft/contracts/lean/envoy/config/cluster/v3/cluster';
import { describe, expect, it } from 'vitest';
import type { ResourceSet } from '../ports.ts';
import { HeldResources, NO_RESOURCES, refusedKey, ToldResources } from './held-resources.ts';

const cluster = (name: string, altStatName = ''): Cluster => create(ClusterSchema, { name, altStatName });
const setOf = (...clusters: readonly Cluster[]): ResourceSet => ({
  ...NO_RESOURCES,
  clusters: new Map(clusters.map((one) => [one.name, one])),
});
const bytesIn =
  ({ clusters }: ResourceSet) =>
  (_type: string, name: string): Uint8Array | undefined => {
    const message = clusters.get(name);
    return message === undefined ? undefined : toBinary(ClusterSchema, message);
  };
const NONE: ReadonlySet<string> = new Set();

describe('resources that go to workers', () => {
  it('are what changed, and what is gone; what stays is the same object', () => {
    const [told, held] = [new ToldResources(), new HeldResources()];
    const [a, b] = [cluster('a'), cluster('b')];
    const tell = (set: ResourceSet, refused = NONE) => told.change(set, refused, bytesIn(set));
    const first = held.change(tell(setOf(a, b)));
    expect([...first.clusters.keys()]).toEqual(['a', 'b']);

    expect(tell(setOf(a, b))).toEqual({ changed: [], removed: [] });
    const second = held.change(tell(setOf(a, cluster('b', 'other'))));
    expect(second.clusters.get('a')).toBe(first.clusters.get('a'));
    expect(second.clusters.get('b')?.altStatName).toBe('other');
    // Who looks at the former set still sees it.
    expect(first.clusters.get('b')?.altStatName).toBe('');

    const change = tell(setOf(a));
    expect(change).toEqual({ changed: [], removed: [{ type: 'cluster', name: 'b' }] });
    expect([...held.change(change).clusters.keys()]).toEqual(['a']);
  });

  it('are not what was refused: the one before stands until another is good', () => {
    const told = new ToldResources();
    const good = cluster('a');
    const change = (set: ResourceSet, refused: ReadonlySet<string>): readonly string[] =>
      told.change(set, refused, bytesIn(set)).changed.map(({ name }) => name);
    expect(change(setOf(good), NONE)).toEqual(['a']);
    expect(change(setOf(cluster('a', 'bad')), new Set([refusedKey('cluster', 'a')]))).toEqual([]);
    expect(change(setOf(good), NONE)).toEqual([]);
    expect(change(setOf(cluster('a', 'good again')), NONE)).toEqual(['a']);
  });

  it('take their own bytes along, not the message that they came in', () => {
    const whole = Buffer.alloc(4096);
    const bytes = whole.subarray(10, 10 + toBinary(ClusterSchema, cluster('a')).length);
    bytes.set(toBinary(ClusterSchema, cluster('a')));
    const { changed } = new ToldResources().change(setOf(cluster('a')), NONE, () => bytes);
    expect(changed[0]?.bytes.buffer.byteLength).toBe(bytes.length);
  });
});
