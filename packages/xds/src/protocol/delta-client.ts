/**
 * The client's half of delta, without I/O: what is wanted, what is held, and which request goes out next. It outlives its
 * streams: `connected` begins a new one, on which everything is asked for again with the versions that are still held.
 */
import type { HeldVersions, ReceivedResource, RejectedName } from '../client/ads-client-types.ts';
import { INVALID_ARGUMENT, type DeltaRequest, type IncomingDelta } from './messages.ts';
import { byPushOrder, WILDCARD } from './type-rules.ts';

/** A response made ready for whoever applies it. */
export interface Incoming {
  readonly added: readonly ReceivedResource[];
  readonly removed: readonly string[];
  /** Faults of the response itself, found before anybody looked inside the resources. */
  readonly faults: readonly RejectedName[];
}

interface Answer {
  readonly nonce: string;
  readonly error: string | undefined;
}

/** One type, over all streams. */
export class ClientType {
  readonly typeUrl: string;
  wildcard = false;
  names: ReadonlySet<string> = new Set();
  /** Accepted and in force: name → version. Only these are claimed on a new stream. */
  readonly held: Map<string, string>;
  /** Refused: name → reason. */
  readonly rejected = new Map<string, string>();
  /** Named, and not answered on any stream. */
  readonly waiting = new Set<string>();
  received = false;
  accepted = 0;
  nacked = 0;
  lastUpdateAt: number | undefined;
  /** Subscribed on this stream; undefined before the first request. */
  announced: Set<string> | undefined;
  /** Dropped and wanted again before the server heard of it: its answer is needed anew. */
  readonly again = new Set<string>();
  readonly answers: Answer[] = [];

  constructor(typeUrl: string, held: ReadonlyMap<string, string> = new Map()) {
    this.typeUrl = typeUrl;
    this.held = new Map(held);
  }

  wants(name: string): boolean {
    return this.wildcard || this.names.has(name);
  }
}

export class DeltaClient {
  readonly #types = new Map<string, ClientType>();
  readonly #held: HeldVersions;
  #order: ClientType[] = [];

  constructor(held: HeldVersions = new Map()) {
    this.#held = held;
  }

  /** In push order. */
  types(): readonly ClientType[] {
    return this.#order;
  }

  setSubscriptions(typeUrl: string, wanted: ReadonlySet<string> | '*'): void {
    const type = this.#type(typeUrl);
    const before = type.names;
    type.wildcard = wanted === WILDCARD;
    type.names = wanted === WILDCARD ? new Set() : new Set(wanted);
    for (const name of type.names) if (!before.has(name) && !type.held.has(name)) type.waiting.add(name);
    for (const name of type.waiting) if (!type.names.has(name)) type.waiting.delete(name);
    for (const name of new Set([...before, ...type.held.keys(), ...type.rejected.keys()])) {
      if (type.wants(name)) continue;
      type.held.delete(name);
      type.rejected.delete(name);
      for (const said of [name, WILDCARD]) if (type.announced?.has(said)) type.again.add(said);
    }
  }

  connected(): void {
    for (const type of this.#order) {
      type.announced = undefined;
      type.again.clear();
      type.answers.length = 0;
    }
  }

  /** Sorts a response out; what was not asked for is left out. */
  read(response: IncomingDelta): Incoming {
    const type = this.#types.get(response.typeUrl);
    if (!type) return { added: [], removed: [], faults: [] };
    const faults: RejectedName[] = [];
    const added = new Map<string, ReceivedResource>();
    const twice = new Set<string>();
    for (const { name, version, typeUrl, bytes } of response.resources) {
      // A resource without a body only says that it is still alive.
      if (bytes === undefined || !type.wants(name)) continue;
      if (added.has(name)) twice.add(name);
      if (typeUrl !== response.typeUrl)
        faults.push({ name, reason: `has type ${typeUrl} in a response of ${response.typeUrl}` });
      else added.set(name, { name, version, typeUrl, bytes });
    }
    for (const name of response.removed) if (added.has(name)) faults.push({ name, reason: 'is both sent and removed' });
    for (const name of twice) faults.push({ name, reason: 'appears twice in one response' });
    for (const { name } of faults) added.delete(name);
    const bad = new Set(faults.map(({ name }) => name));
    const removed = response.removed.filter((name) => !bad.has(name) && (type.wants(name) || type.held.has(name)));
    return { added: [...added.values()], removed: [...new Set(removed)], faults };
  }

  /** Takes the verdict over a response that was read: what stands is held from now on, and the answer is queued. */
  settle(response: IncomingDelta, incoming: Incoming, rejected: readonly RejectedName[], now: number): void {
    const type = this.#type(response.typeUrl);
    const refused = new Map(rejected.map(({ name, reason }) => [name, reason]));
    for (const { name, version } of incoming.added) {
      type.waiting.delete(name);
      // The handler may have changed the subscription meanwhile.
      if (!type.wants(name)) continue;
      const reason = refused.get(name);
      if (reason === undefined) {
        type.held.set(name, version);
        type.rejected.delete(name);
      } else type.rejected.set(name, reason);
    }
    for (const name of incoming.removed) {
      type.waiting.delete(name);
      type.held.delete(name);
      type.rejected.delete(name);
    }
    const all = [...incoming.faults, ...rejected];
    type.received = true;
    type.lastUpdateAt = now;
    if (all.length === 0) type.accepted += 1;
    else type.nacked += 1;
    type.answers.push({ nonce: response.nonce, error: all.length === 0 ? undefined : nackText(all, response) });
  }

  /**
   * The next request to send; undefined when all is said. Changes of subscription come before answers: a server that waits
   * until new clusters were taken must know by then which endpoints they wait for.
   */
  next(): DeltaRequest | undefined {
    for (const type of this.#order) {
      const request = type.announced ? this.#changed(type, type.announced) : this.#first(type);
      if (request) return request;
    }
    for (const type of this.#order) {
      const answer = type.answers.shift();
      if (answer) return this.#answer(type, answer);
    }
    return undefined;
  }

  #type(typeUrl: string): ClientType {
    let type = this.#types.get(typeUrl);
    if (!type) {
      type = new ClientType(typeUrl, this.#held.get(typeUrl));
      this.#types.set(typeUrl, type);
      this.#order = [...this.#types.values()].sort((a, b) => byPushOrder(a.typeUrl, b.typeUrl));
    }
    return type;
  }

  #first(type: ClientType): DeltaRequest | undefined {
    if (!type.wildcard && type.names.size === 0) return undefined;
    const subscribe = type.wildcard ? [WILDCARD] : [...type.names];
    type.announced = new Set(subscribe);
    return { typeUrl: type.typeUrl, subscribe, unsubscribe: [], initialVersions: new Map(type.held), nonce: '' };
  }

  #answer({ typeUrl }: ClientType, { nonce, error }: Answer): DeltaRequest {
    const nack = error === undefined ? {} : { error: { code: INVALID_ARGUMENT, message: error } };
    return { typeUrl, subscribe: [], unsubscribe: [], initialVersions: new Map(), nonce, ...nack };
  }

  #changed(type: ClientType, announced: Set<string>): DeltaRequest | undefined {
    const wanted = type.wildcard ? new Set([WILDCARD]) : type.names;
    const subscribe = [...wanted].filter((name) => !announced.has(name) || type.again.has(name));
    const unsubscribe = [...announced].filter((name) => !wanted.has(name));
    type.again.clear();
    if (subscribe.length === 0 && unsubscribe.length === 0) return undefined;
    for (const name of unsubscribe) announced.delete(name);
    for (const name of subscribe) announced.add(name);
    return { typeUrl: type.typeUrl, subscribe, unsubscribe, initialVersions: new Map(), nonce: '' };
  }
}

const MAX_NACK_TEXT = 4096;

/** Names each rejected resource and why, so that the server can tell them from those that stand. */
function nackText(rejected: readonly RejectedName[], response: IncomingDelta): string {
  const text = `rejected ${rejected.length} of ${response.resources.length}: ${rejected
    .map(({ name, reason }) => `"${name}": ${reason}`)
    .join('; ')}`;
  return text.length <= MAX_NACK_TEXT ? text : `${text.slice(0, MAX_NACK_TEXT)}…`;
}
