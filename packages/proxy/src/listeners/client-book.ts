import { type AddressWords, parseAddress } from '@weft/evaluator';

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

interface Client {
  open: number;
  /** New connections that may come at once. */
  tokens: number;
  filledMs: number;
  strikes: number;
  firstStrikeMs: number;
  refusedUntilMs: number;
}

/** Those without a connection are forgotten above so many. */
const MAX_REMEMBERED = 10_000;

/** What each address has taken. An IPv6 client owns a /64 as a rule, and counts as one. */
export class ClientBook {
  limits: ClientLimits;
  readonly #now: () => number;
  readonly #clients = new Map<string, Client>();

  constructor(limits: ClientLimits, now: () => number) {
    this.limits = limits;
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
    const nowMs = this.#now();
    const { maxConnections, perSecond, burst } = this.limits;
    if (client.refusedUntilMs > nowMs) return 'client_abuse_refused';
    if (client.open >= maxConnections) return 'client_overflow';
    if (perSecond !== Infinity) {
      client.tokens = Math.min(burst, client.tokens + ((nowMs - client.filledMs) * perSecond) / 1000);
      client.filledMs = nowMs;
      if (client.tokens < 1) return 'client_rate_limited';
      client.tokens -= 1;
    }
    client.open += 1;
    return {
      left: () => {
        client.open -= 1;
      },
      strike: () => this.#strike(client),
    };
  }

  #add(key: string): Client {
    if (this.#clients.size >= MAX_REMEMBERED) this.#forget();
    const nowMs = this.#now();
    const made = {
      open: 0,
      tokens: this.limits.burst,
      filledMs: nowMs,
      strikes: 0,
      firstStrikeMs: 0,
      refusedUntilMs: 0,
    };
    this.#clients.set(key, made);
    return made;
  }

  /** Half of those that hold nothing, the oldest first; those that are refused stay while there is another. */
  #forget(): void {
    const nowMs = this.#now();
    let left = MAX_REMEMBERED / 2;
    for (const [key, client] of this.#clients) {
      if (left === 0) return;
      if (client.open > 0 || client.refusedUntilMs > nowMs) continue;
      this.#clients.delete(key);
      left -= 1;
    }
  }

  #strike(client: Client): void {
    const { strikes, strikeWindowMs, refuseMs } = this.limits;
    if (strikes === 0) return;
    const nowMs = this.#now();
    if (nowMs - client.firstStrikeMs > strikeWindowMs) {
      client.strikes = 0;
      client.firstStrikeMs = nowMs;
    }
    client.strikes += 1;
    if (client.strikes < strikes) return;
    client.strikes = 0;
    client.refusedUntilMs = nowMs + refuseMs;
  }
}

const MAPPED_V4 = 0xffff;

function keyOf([a, b, c, d]: AddressWords): string {
  return a === 0 && b === 0 && c === MAPPED_V4 ? `4:${d}` : `6:${a}:${b}`;
}
