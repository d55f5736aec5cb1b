import { type Place, reject } from './rejected.ts';
import { asciiLower } from './string-matcher.ts';

/** Finds what stands under a host: exact name, then the longest `*suffix`, then the longest `prefix*`, then `*`. */
export interface HostTable<T> {
  find(authority: string): T | undefined;
}

export interface HostEntry<T> {
  readonly domains: readonly string[];
  readonly value: T;
  readonly place: Place;
}

interface WildcardTable<T> {
  readonly length: number;
  readonly entries: ReadonlyMap<string, T>;
}

// Answers are remembered by the authority as received. A client that invents hosts only empties this memory.
const REMEMBERED = 1024;

export function buildHostTable<T>(hosts: readonly HostEntry<T>[], ignorePort: boolean): HostTable<T> {
  const exact = new Map<string, T>();
  const suffixes = new Map<number, Map<string, T>>();
  const prefixes = new Map<number, Map<string, T>>();
  let any: { readonly value: T } | undefined;

  const put = (map: Map<string, T>, key: string, domain: string, { value, place }: HostEntry<T>): void => {
    if (map.has(key)) reject(place, `domain "${domain}" is in two virtual hosts, or twice in one`);
    map.set(key, value);
  };
  const putByLength = (tables: typeof suffixes, key: string, domain: string, entry: HostEntry<T>): void => {
    const table = tables.get(key.length) ?? new Map<string, T>();
    tables.set(key.length, table);
    put(table, key, domain, entry);
  };

  for (const entry of hosts) {
    if (entry.domains.length === 0) reject(entry.place, 'domains is empty');
    for (const domain of entry.domains) {
      const lower = asciiLower(domain);
      if (lower === '') reject(entry.place, 'a domain is empty');
      if (lower === '*') {
        if (any !== undefined) reject(entry.place, 'domain "*" is in two virtual hosts, or twice in one');
        any = { value: entry.value };
      } else if (lower.startsWith('*')) putByLength(suffixes, lower.slice(1), domain, entry);
      else if (lower.endsWith('*')) putByLength(prefixes, lower.slice(0, -1), domain, entry);
      else put(exact, lower, domain, entry);
    }
  }
  const bySuffix = longestFirst(suffixes);
  const byPrefix = longestFirst(prefixes);

  const search = (host: string): T | undefined => {
    const same = exact.get(host);
    if (same !== undefined) return same;
    // The star stands for at least one character.
    for (const { length, entries } of bySuffix) {
      const found = host.length > length ? entries.get(host.slice(host.length - length)) : undefined;
      if (found !== undefined) return found;
    }
    for (const { length, entries } of byPrefix) {
      const found = host.length > length ? entries.get(host.slice(0, length)) : undefined;
      if (found !== undefined) return found;
    }
    return any?.value;
  };

  const onlyAny = exact.size === 0 && bySuffix.length === 0 && byPrefix.length === 0;
  if (onlyAny) return { find: () => any?.value };
  const remembered = new Map<string, T | undefined>();
  return {
    find(authority) {
      const known = remembered.get(authority);
      if (known !== undefined) return known;
      const host = asciiLower(authority);
      const found = search(ignorePort ? withoutPort(host) : host);
      if (found !== undefined) {
        if (remembered.size >= REMEMBERED) remembered.clear();
        remembered.set(authority, found);
      }
      return found;
    },
  };
}

const longestFirst = <T>(tables: ReadonlyMap<number, ReadonlyMap<string, T>>): WildcardTable<T>[] =>
  [...tables].map(([length, entries]) => ({ length, entries })).sort((a, b) => b.length - a.length);

const PORT = /:\d*$/;

/** `[::1]:80` → `[::1]`; an address without brackets and with several colons has no port. */
export function withoutPort(host: string): string {
  const colon = host.lastIndexOf(':');
  if (colon === -1 || !PORT.test(host)) return host;
  if (host.startsWith('[')) return host[colon - 1] === ']' ? host.slice(0, colon) : host;
  return host.indexOf(':') === colon ? host.slice(0, colon) : host;
}
