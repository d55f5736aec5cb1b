import { FakeClock } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { TimerQueue } from '../timers/timer-queue.ts';
import type { ClusterSettings } from './cluster-settings.ts';
import { createResolver, type NameAnswer } from './dns.ts';

const settingsOf = (name: string, address: string): ClusterSettings =>
  ({
    name,
    discovery: 'dns',
    dnsRefreshMs: 5_000,
    staticHosts: [{ address, port: 80, hostname: '' }],
  }) as unknown as ClusterSettings;

function worker(leads: boolean, told: NameAnswer[] = [], answers: Record<string, readonly string[]> = {}) {
  const clock = new FakeClock();
  const changed: string[] = [];
  let asked = 0;
  const resolver = createResolver({
    timers: new TimerQueue(clock),
    onChange: (cluster) => changed.push(cluster),
    sharing: { leads, tell: leads ? (answer) => told.push(answer) : undefined },
    lookUp: (name, done) => {
      asked += 1;
      const found = answers[name];
      if (found === undefined) done(new Error('no such name'), []);
      else done(null, found.map((address) => ({ address, family: 4 }))); // prettier-ignore
    },
  });
  const addresses = (settings: ClusterSettings): string[] => resolver.resolve(settings).map(({ address }) => address);
  return { clock, resolver, changed, addresses, asked: () => asked };
}

describe('names of DNS clusters, with several workers', () => {
  it('are looked up by one, and all have what it found', () => {
    const told: NameAnswer[] = [];
    const answers: Record<string, readonly string[]> = { 'db.test': ['10.0.0.2', '10.0.0.1'] };
    const [first, second] = [worker(true, told, answers), worker(false)];
    const db = settingsOf('db', 'db.test');
    expect(second.addresses(db)).toEqual([]);
    expect(first.addresses(db)).toEqual(['10.0.0.1', '10.0.0.2']);
    for (const answer of told.splice(0)) second.resolver.learn(answer);
    expect([second.addresses(db), second.changed]).toEqual([['10.0.0.1', '10.0.0.2'], ['db']]);
    // Only what changed is told.
    first.clock.advance(5_000);
    expect([first.asked(), told]).toEqual([2, []]);
    answers['db.test'] = ['10.0.0.3'];
    first.clock.advance(5_000);
    for (const answer of told.splice(0)) second.resolver.learn(answer);
    expect(second.addresses(db)).toEqual(['10.0.0.3']);
    // A failed look-up keeps the last good answer, in all.
    delete answers['db.test'];
    first.clock.advance(5_000);
    expect([told, second.addresses(db), second.asked()]).toEqual([[], ['10.0.0.3'], 0]);
  });

  it('may be told of before their cluster comes, and are forgotten with it', () => {
    const told: NameAnswer[] = [];
    const [first, second] = [worker(true, told, { 'db.test': ['10.0.0.1'] }), worker(false)];
    const db = settingsOf('db', 'db.test');
    first.addresses(db);
    for (const answer of told.splice(0)) second.resolver.learn(answer);
    expect(second.addresses(db)).toEqual(['10.0.0.1']);
    first.resolver.forget('db');
    for (const answer of told.splice(0)) second.resolver.learn(answer);
    second.resolver.forget('db');
    expect(second.addresses(db)).toEqual([]);
  });
});
