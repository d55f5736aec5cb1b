import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import { Deadline, type TimerQueue } from '../timers/timer-queue.ts';
import type { ClusterSettings } from './cluster-settings.ts';
import type { HostFacts } from './host-facts.ts';

/** Names of DNS clusters, looked up now and then. A failed look-up keeps the last good answer. */
export interface Resolver {
  /** What is known now; the same array until it changes. */
  resolve(settings: ClusterSettings): readonly HostFacts[];
  forget(cluster: string): void;
  close(): void;
}

interface Watched {
  settings: ClusterSettings;
  facts: readonly HostFacts[];
  readonly wait: Deadline;
  readonly answers: Map<string, readonly string[]>;
}

export function createResolver(timers: TimerQueue, onChange: (cluster: string) => void): Resolver {
  const watched = new Map<string, Watched>();
  let closed = false;

  const rebuild = (entry: Watched): void => {
    const facts = entry.settings.staticHosts.flatMap((host) => {
      if (isIP(host.address) !== 0) return [host];
      return (entry.answers.get(host.address) ?? []).map((address) => ({
        ...host,
        address,
        hostname: host.hostname || host.address,
      }));
    });
    if (JSON.stringify(facts) === JSON.stringify(entry.facts)) return;
    entry.facts = facts;
    onChange(entry.settings.name);
  };

  const lookUpAll = (entry: Watched): void => {
    for (const name of new Set(entry.settings.staticHosts.map((host) => host.address))) {
      if (isIP(name) !== 0) continue;
      lookup(name, { all: true }, (error, addresses) => {
        if (closed || error !== null || watched.get(entry.settings.name) !== entry) return;
        entry.answers.set(name, addresses.map(({ address }) => address).sort());
        rebuild(entry);
      });
    }
    timers.arm(entry.wait, entry.settings.dnsRefreshMs);
  };

  return {
    resolve(settings) {
      const known = watched.get(settings.name);
      if (known?.settings === settings) return known.facts;
      if (known !== undefined) timers.cancel(known.wait);
      const entry: Watched = {
        settings,
        facts: settings.staticHosts.filter((host) => isIP(host.address) !== 0),
        wait: new Deadline({ onDeadline: () => lookUpAll(entry) }, 0),
        answers: known?.answers ?? new Map(),
      };
      watched.set(settings.name, entry);
      lookUpAll(entry);
      if (entry.answers.size > 0) rebuild(entry);
      return entry.facts;
    },
    forget(cluster) {
      const entry = watched.get(cluster);
      if (entry === undefined) return;
      timers.cancel(entry.wait);
      watched.delete(cluster);
    },
    close() {
      closed = true;
      for (const entry of watched.values()) timers.cancel(entry.wait);
      watched.clear();
    },
  };
}
