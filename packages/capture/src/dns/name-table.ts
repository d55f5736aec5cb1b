/** The mesh's names and their addresses, as one workload sees them. */
import { isIPv4, isIPv6 } from 'node:net';
import { TYPE, type AddressRecord } from './message.ts';

/** One row of the table that the control plane sends. */
export interface NameEntry {
  /** `reviews.default.svc.cluster.local`, `api.example.com`, `*.example.com`. */
  readonly host: string;
  readonly ips: readonly string[];
  /** Both set for services of the mesh's domain, whose names may be shortened. */
  readonly shortName?: string;
  readonly namespace?: string;
}

export interface NameTable {
  /** Hosts of the table, for people. */
  readonly size: number;
  /** @param name lower case, without the last dot. @returns undefined for names that are not the mesh's. */
  find(name: string): readonly AddressRecord[] | undefined;
}

export const EMPTY_NAMES: NameTable = buildNameTable([], '');

/** @param namespace of the workload that asks: services in it need no more than their short name. */
export function buildNameTable(entries: readonly NameEntry[], namespace: string): NameTable {
  const exact = new Map<string, readonly AddressRecord[]>();
  const wild = new Map<string, readonly AddressRecord[]>();
  const short = new Map<string, readonly AddressRecord[]>();
  for (const entry of entries) {
    const host = hostOf(entry.host);
    const records = recordsOf(entry.ips);
    if (records.length === 0 || host === '' || host === '*') continue;
    if (host.startsWith('*.')) wild.set(host.slice(1), records);
    else exact.set(host, records);
    for (const name of shortNames(entry, namespace)) if (!short.has(name)) short.set(name, records);
  }
  return {
    size: exact.size + wild.size,
    // What somebody declared under that very name goes before an abbreviation of another.
    find: (name) => exact.get(name) ?? short.get(name) ?? findWild(wild, name),
  };
}

const hostOf = (host: string): string => host.toLowerCase().replace(/\.$/, '');

function shortNames({ shortName, namespace }: NameEntry, own: string): readonly string[] {
  if (shortName === undefined || namespace === undefined || shortName === '' || namespace === '') return [];
  const [name, ns] = [shortName.toLowerCase(), namespace.toLowerCase()];
  return [`${name}.${ns}.svc`, `${name}.${ns}`, ...(ns === own ? [name] : [])];
}

/** The longest wildcard rules; it stands for one or more labels. */
function findWild(
  wild: ReadonlyMap<string, readonly AddressRecord[]>,
  name: string,
): readonly AddressRecord[] | undefined {
  if (wild.size === 0) return undefined;
  for (let dot = name.indexOf('.'); dot > 0; dot = name.indexOf('.', dot + 1)) {
    const found = wild.get(name.slice(dot));
    if (found !== undefined) return found;
  }
  return undefined;
}

const recordsOf = (ips: readonly string[]): readonly AddressRecord[] =>
  ips.flatMap((ip): readonly AddressRecord[] =>
    isIPv4(ip)
      ? [{ type: TYPE.A, bytes: Uint8Array.from(ip.split('.').map(Number)) }]
      : isIPv6(ip) && !ip.includes('%')
        ? [{ type: TYPE.AAAA, bytes: ipv6Bytes(ip) }]
        : [],
  );

/** @param ip one that `isIPv6` takes. */
function ipv6Bytes(ip: string): Uint8Array {
  const dotted = /:(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(ip);
  const text = dotted
    ? `${ip.slice(0, dotted.index)}:${[dotted.slice(1, 3), dotted.slice(3, 5)]
        .map(([high, low]) => (Number(high) * 256 + Number(low)).toString(16))
        .join(':')}`
    : ip;
  const [head = '', tail] = text.split('::');
  const groups = (part: string): number[] => (part === '' ? [] : part.split(':').map((group) => parseInt(group, 16)));
  const [left, right] = [groups(head), tail === undefined ? [] : groups(tail)];
  const all = [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}
