import { type AddressWords, parseAddress } from '@weft/evaluator';
import type { SharedCells } from '../shared/shared-cells.ts';
import { CLIENT_CELLS, Client } from './client-record.ts';

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

/** Those without a connection are forgotten above so many. */
const MAX_REMEMBERED = 10_000;

/** What each address has taken, of all workers. An IPv6 client owns a /64 as a rule, and counts as one. */
export class ClientBook {
  limits: ClientLimits;
  readonly #now: () => number;
  readonly #listener: string;
  readonly #shared: SharedCells;
  readonly #clients = new Map<string, Client>();

  constructor(
    limits: ClientLimits,
    { listener, shared, now }: { readonly listener: string; readonly shared: SharedCells; readonly now: () => number },
  ) {
    this.limits = limits;
    this.#listener = listener;
    this.#shared = shared;
    this.#now = now;
  }

  get size(): number {
    return this.#clients.size;
  }

  /** @returns why the address gets no connection; else undefined, and `left` must be called once. */
  enter(address: string): ClientRefusal | { readonly left: () => void; readonly strike: () => void } | undefined {
    const words = parseAddress(address);
    if (words === undefined || this.limits.exempt.some((test) => test(words))) return undefined;
    const key = keyOf(words);
    const client = this.#clients.get(key) ?? this.#add(key);
    const refused = client.enter(this.limits, this.#now());
    if (refused !== undefined) return refused;
    return { left: client.left, strike: () => client.strike(this.limits, this.#now()) };
  }

  #add(key: string): Client {
    if (this.#clients.size >= MAX_REMEMBERED) this.#forget();
    const nowMs = this.#now();
    const cells = this.#shared.open(`client ${this.#listener} ${key}`, CLIENT_CELLS, (fresh) =>
      Client.begin(fresh, this.limits, nowMs),
    );
    const made = new Client(cells);
    this.#clients.set(key, made);
    return made;
  }

  /** Half of those that hold nothing, the oldest first; those that are refused stay while there is another. */
  #forget(): void {
    const nowMs = this.#now();
    let left = MAX_REMEMBERED / 2;
    for (const [key, client] of this.#clients) {
      if (left === 0) return;
      if (client.open > 0 || client.isRefused(nowMs)) continue;
      this.#clients.delete(key);
      left -= 1;
    }
  }
}

const MAPPED_V4 = 0xffff;

function keyOf([a, b, c, d]: AddressWords): string {
  return a === 0 && b === 0 && c === MAPPED_V4 ? `4:${d}` : `6:${a}:${b}`;
}
