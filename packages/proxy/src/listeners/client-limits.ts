import type { AddressWords } from '@weft/evaluator';

/** What one address may take of a listener that anybody may call. */
export interface ClientLimits {
  /** Connections at once; Infinity = no limit. */
  readonly maxConnections: number;
  /** New connections: so many each second, and at once after a rest. Infinity = no limit. */
  readonly perSecond: number;
  readonly burst: number;
  /** So many connections that had to be closed for a flood, within so long, and no more are taken for a while. 0 = never. */
  readonly strikes: number;
  readonly strikeWindowMs: number;
  readonly refuseMs: number;
  /** Addresses that stand for many, or for friends. */
  readonly exempt: readonly ((address: AddressWords) => boolean)[];
}

export type ClientRefusal = 'client_overflow' | 'client_rate_limited' | 'client_abuse_refused';
export const CLIENT_REFUSALS: readonly ClientRefusal[] = [
  'client_overflow',
  'client_rate_limited',
  'client_abuse_refused',
];
