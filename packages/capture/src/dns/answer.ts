import { IN, parseQuery, RCODE, TYPE, udpLimit, writeReply, type DnsQuery } from './message.ts';
import type { NameTable } from './name-table.ts';

export interface AnswerOptions {
  readonly ttlSeconds: number;
  /** Datagrams have a size that the asker tells; streams have none. */
  readonly transport: 'udp' | 'tcp';
}

export type DnsAnswer =
  | { readonly kind: 'reply'; readonly bytes: Buffer; readonly why: 'known' | 'no-such-record' | 'malformed' }
  /** For a name server. `known`: the name is the mesh's, but asked for something that the table does not have. */
  | { readonly kind: 'forward'; readonly query: DnsQuery; readonly known: boolean }
  | { readonly kind: 'drop' };

/** Addresses of the mesh's names; everything else is somebody else's to answer. */
export function answer(message: Buffer, table: NameTable, { ttlSeconds, transport }: AnswerOptions): DnsAnswer {
  const parsed = parseQuery(message);
  if (parsed.kind === 'unreadable') return { kind: 'drop' };
  if (parsed.kind === 'refused') return { kind: 'reply', bytes: parsed.reply, why: 'malformed' };
  const { query } = parsed;
  const records = query.class === IN ? table.find(query.name) : undefined;
  if (records === undefined) return { kind: 'forward', query, known: false };
  if (query.type !== TYPE.A && query.type !== TYPE.AAAA && query.type !== TYPE.ANY)
    return { kind: 'forward', query, known: true };
  const addresses = records.filter(({ type }) => query.type === TYPE.ANY || query.type === type);
  const bytes = writeReply(query, {
    authoritative: true,
    addresses,
    ttlSeconds,
    ...(transport === 'udp' ? { limit: udpLimit(query) } : {}),
  });
  return { kind: 'reply', bytes, why: addresses.length === 0 ? 'no-such-record' : 'known' };
}

/**
 * The answer when there is no name server to ask. Only of names in the mesh's own domain is it known that they do not
 * exist; a name of the mesh has no other records than its addresses.
 */
export function answerAlone(
  { query, known }: { readonly query: DnsQuery; readonly known: boolean },
  clusterDomain: string,
): Buffer {
  if (known) return writeReply(query, { authoritative: true });
  return isUnder(query.name, clusterDomain)
    ? writeReply(query, { rcode: RCODE.NXDOMAIN, authoritative: true })
    : writeReply(query, { rcode: RCODE.SERVFAIL });
}

/** @param name lower case. */
export const isUnder = (name: string, domain: string): boolean => name === domain || name.endsWith(`.${domain}`);
