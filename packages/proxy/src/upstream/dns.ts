import { lookup, type LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import { Deadline, type TimerQueue } from '../timers/timer-queue.ts';
import type { ClusterSettings } from './cluster-settings.ts';
import type { HostFacts } from './host-facts.ts';

/** What a name of a cluster was found to stand for. */
export interface NameAnswer {
  readonly cluster: string;
  readonly name: string;
  /** undefined: there is no such cluster any more. */
  readonly addresses: readonly string[] | undefined;
}

/** Who looks names up: one of the workers, since not every answer of a server is the same. The others are told. */
export interface NameSharing {
  readonly leads: boolean;
  /** undefined where there is nobody to tell. */
  readonly tell: ((answer: NameAnswer) => void) | undefined;
}

export const LOOKS_UP_ALONE: NameSharing = { leads: true, tell: undefined };

/** Names of DNS clusters, looked up now and then. A failed look-up keeps the last good answer. */
export interface Resolver {
  /** Another worker has found something; its cluster may be one that comes here later. */
  learn(answer: NameAnswer): void;
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

type LookUp = (name: string, done: (error: Error | null, addresses: readonly LookupAddress[]) => void) => void;

const systemLookUp: LookUp = (name, done) => lookup(name, { all: true }, done);

export interface ResolverDeps {
  readonly timers: TimerQueue;
  readonly onChange: (cluster: string) => void;
  readonly sharing?: NameSharing;
  /** Default: the system's. */
  readonly lookUp?: LookUp;
}

export function createResolver(deps: ResolverDeps): Resolver {
  const { timers, onChange, sharing = LOOKS_UP_ALONE, lookUp = systemLookUp } = deps;
  const watched = new Map<string, Watched>();
  /** What another worker found, by cluster. */
  const learned = new Map<string, Map<string, readonly string[]>>();
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
      lookUp(name, (error, found) => {
        if (closed || error !== null || watched.get(entry.settings.name) !== entry) return;
        const addresses = found.map(({ address }) => address).sort();
        const isNews = addresses.join() !== entry.answers.get(name)?.join();
        entry.answers.set(name, addresses);
        if (isNews) sharing.tell?.({ cluster: entry.settings.name, name, addresses });
        rebuild(entry);
      });
    }
    timers.arm(entry.wait, entry.settings.dnsRefreshMs);
  };

  const answersFor = (cluster: string): Map<string, readonly string[]> => {
    const known = learned.get(cluster) ?? new Map<string, readonly string[]>();
    learned.set(cluster, known);
    return known;
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
        answers: sharing.leads ? (known?.answers ?? new Map()) : answersFor(settings.name),
      };
      watched.set(settings.name, entry);
      if (sharing.leads) lookUpAll(entry);
      if (entry.answers.size > 0) rebuild(entry);
      return entry.facts;
    },
    learn({ cluster, name, addresses }) {
      if (addresses === undefined) {
        learned.delete(cluster);
        return;
      }
      answersFor(cluster).set(name, addresses);
      const entry = watched.get(cluster);
      if (entry !== undefined) rebuild(entry);
    },
    forget(cluster) {
      const entry = watched.get(cluster);
      if (entry === undefined) return;
      timers.cancel(entry.wait);
      watched.delete(cluster);
      sharing.tell?.({ cluster, name: '', addresses: undefined });
    },
    close() {
      closed = true;
      for (const entry of watched.values()) timers.cancel(entry.wait);
      watched.clear();
    },
  };
}
