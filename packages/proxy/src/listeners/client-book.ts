import { type AddressWords, parseAddress } from '@weft/evaluator';
import type { SharedCells } from '../shared/shared-cells.ts';
import type { ClientLimits, ClientRefusal } from './client-limits.ts';
import { CLIENT_CELLS, Client } from './client-record.ts';

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
