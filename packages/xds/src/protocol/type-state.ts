/** What a server knows about one type on one stream: what the client wants, has, was asked, and refused. */
import type { ResourceView } from '../server/xds-source.ts';
import type { Exchange } from '../server/ads-server-types.ts';
import type { XdsResource } from '../resource.ts';
import { ABSENT } from './type-rules.ts';

/** A response without an answer yet. */
export interface InFlight {
  readonly nonce: string;
  /** Version of the view that it was made from. */
  readonly version: string;
  readonly at: number;
  readonly names: ReadonlySet<string>;
  /** It brings clusters, or endpoints that clusters wait for. */
  readonly grows: boolean;
}

/** Names that the client refused. `exact`: it named them; else some of them are meant, nobody knows which. */
interface Refusal {
  readonly names: Set<string>;
  readonly exact: boolean;
}

export class TypeState {
  readonly typeUrl: string;
  wildcard = false;
  /** Named explicitly. */
  readonly names = new Set<string>();
  /** A name was sent on this stream, so that an empty list no longer means all. */
  everNamed = false;
  /** Versions that the client has, as far as is known. */
  readonly sent = new Map<string, string>();
  /** State of the world, full-state types: what was sent, to send it again while its removal is held back. */
  readonly kept = new Map<string, XdsResource>();
  /** Asked for and not yet answered. */
  readonly due = new Set<string>();
  /** Everything covered is to be answered, even if that is nothing. */
  dueAll = false;
  /** The first request is answered even when the client has everything. */
  dueEmpty = false;
  /** May differ between view and client. */
  dirty: Set<string> | 'all' = new Set();
  /** Differ, and the client was not told. */
  readonly changed = new Set<string>();
  /** Gone, and the client was not told. */
  readonly gone = new Set<string>();
  /**
   * Unsubscribed while a response with them was on its way: should the client want them again before that arrives, it
   * takes them for good.
   */
  readonly doubtful = new Set<string>();
  /** Newest last. State of the world has at most one: a newer response outdates the older. */
  readonly inFlight = new Map<string, InFlight>();
  lastNonce = '';
  /** State of the world: the next request is answered even if it changes nothing. */
  alwaysRespond = false;
  lastSent: Exchange | undefined;
  lastAcked: Exchange | undefined;
  lastNacked: (Exchange & { readonly message: string }) | undefined;
  #refusals: Refusal[] = [];

  constructor(typeUrl: string) {
    this.typeUrl = typeUrl;
  }

  covers(name: string): boolean {
    return this.wildcard || this.names.has(name);
  }

  get hasAnswerDue(): boolean {
    return this.dueAll || this.dueEmpty || this.due.size > 0;
  }

  /** A response that others should wait for has no answer yet. */
  get grows(): boolean {
    for (const response of this.inFlight.values()) if (response.grows) return true;
    return false;
  }

  get refused(): boolean {
    return this.#refusals.length > 0;
  }

  /** Nothing of this type is on its way, about to be, or refused. */
  get settled(): boolean {
    return this.inFlight.size === 0 && this.changed.size === 0 && !this.hasAnswerDue && !this.refused;
  }

  /** The client no longer holds this, and needs not be told. */
  drop(name: string): void {
    for (const { names } of this.inFlight.values()) if (names.has(name)) this.doubtful.add(name);
    this.sent.delete(name);
    this.kept.delete(name);
    this.due.delete(name);
    this.changed.delete(name);
    this.gone.delete(name);
    this.#clearRefusals([name]);
  }

  markDirty(names: ReadonlySet<string> | 'all'): void {
    if (names === 'all' || this.dirty === 'all') {
      this.dirty = 'all';
      return;
    }
    for (const name of names) this.dirty.add(name);
  }

  /** Compares what may differ with the view. */
  refresh(view: ResourceView): void {
    if (this.dirty !== 'all' && this.dirty.size === 0) return;
    const resources = view.resources(this.typeUrl);
    for (const name of this.#candidates(resources)) this.#compare(name, resources.get(name));
    this.dirty = new Set();
  }

  #candidates(resources: ReadonlyMap<string, XdsResource>): Iterable<string> {
    if (this.dirty !== 'all') return this.dirty;
    return this.wildcard ? new Set([...resources.keys(), ...this.sent.keys(), ...this.names]) : this.names;
  }

  #compare(name: string, resource: XdsResource | undefined): void {
    if (!this.covers(name)) return;
    const had = this.sent.get(name);
    this.changed.delete(name);
    this.gone.delete(name);
    if (resource === undefined) {
      if (had !== undefined && had !== ABSENT) this.gone.add(name);
    } else if (resource.version !== had) this.changed.add(name);
  }

  answered(nonce: string, message: string | undefined, now: number): void {
    const response = this.inFlight.get(nonce);
    if (!response) return;
    this.inFlight.delete(nonce);
    for (const name of response.names) this.doubtful.delete(name);
    const exchange: Exchange = { nonce, version: response.version, at: now };
    if (message === undefined) {
      this.lastAcked = exchange;
      this.#clearRefusals(response.names);
      return;
    }
    this.lastNacked = { ...exchange, message };
    const named = [...response.names].filter((name) => mentions(message, name));
    const exact = named.length > 0;
    if (exact) this.#clearRefusals(response.names);
    // What the client no longer asks for stands refused no more.
    const refused = (exact ? named : [...response.names]).filter((name) => this.covers(name));
    if (refused.length > 0) this.#refusals.push({ names: new Set(refused), exact });
  }

  #clearRefusals(names: Iterable<string>): void {
    if (this.#refusals.length === 0) return;
    this.#refusals = this.#refusals.filter((refusal) => {
      let hit = false;
      for (const name of names) hit = refusal.names.delete(name) || hit;
      return refusal.names.size > 0 && (refusal.exact || !hit);
    });
  }
}

const BOUNDARY = /[\s'",:;()[\]{}<>]/;

/** Whether a text holds the name as a word of its own, not as a part of a longer name. */
export function mentions(text: string, name: string): boolean {
  if (name === '') return false;
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
    const [before, after] = [text[at - 1], text[at + name.length]];
    const free = (char: string | undefined): boolean => char === undefined || BOUNDARY.test(char);
    // A full stop ends a sentence only when nothing of a name follows it.
    const ends = free(after) || (after === '.' && free(text[at + name.length + 1]));
    if (free(before) && ends) return true;
  }
  return false;
}
