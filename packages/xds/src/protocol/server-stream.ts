/**
 * One ADS stream as its server sees it, without I/O. Requests and changes only mark what is due; `next` then yields one
 * response at a time, so a slow stream holds no queue and many changes become one response.
 *
 * Order: clusters, endpoints, listeners, routes. Listeners and routes wait until the client has answered for new clusters
 * and their endpoints, so that no request is routed to a cluster that is not ready. What is gone goes the other way round,
 * after the client has taken what no longer refers to it. Otherwise requests are answered at once, and a type with an
 * unanswered response gets no further news until the answer.
 */
import { XDS_TYPE } from '@weft/contracts';
import type { ChangeSet, XdsResource } from '../resource.ts';
import type { TypeRecord } from '../server/ads-server-types.ts';
import type { ResourceView } from '../server/xds-source.ts';
import { firstDelta, laterDelta } from './delta-requests.ts';
import type { DeltaRequest, SotwRequest } from './messages.ts';
import { firstSotw, laterSotw } from './sotw-requests.ts';
import { byPushOrder, isFullState, isReport, NEEDS_CLUSTERS, standIn, USERS } from './type-rules.ts';
import { TypeState } from './type-state.ts';

/** A response of either protocol; state of the world has no `removed` on the wire. */
export interface ServerResponse {
  readonly typeUrl: string;
  readonly version: string;
  readonly nonce: string;
  readonly resources: readonly XdsResource[];
  readonly removed: readonly string[];
}

/** What a request was. `stale`: about a response that is not the latest. `report`: of the client's state, nothing asked. */
export type Handled = 'subscribed' | 'accepted' | 'rejected' | 'stale' | 'report';

export interface ServerStream<Request> {
  handle(request: Request, now: number): Handled;
  /** The view has changed; undefined = compare everything. */
  changed(changes: ChangeSet | undefined): void;
  /** The next response to send, or undefined until a request or a change comes. */
  next(view: ResourceView, now: number): ServerResponse | undefined;
  state(typeUrl: string): TypeState | undefined;
  records(): readonly TypeRecord[];
  /** When the oldest response was sent that has no answer yet. */
  waitingSince(): number | undefined;
  /** When `next` may have something although nothing came: what it holds back it holds back only so long. */
  heldUntil(): number | undefined;
}

/** @param noncePrefix unique for the stream, so that no nonce of an earlier one is taken for its own. */
export const createDeltaStream = (noncePrefix: string): ServerStream<DeltaRequest> =>
  new Core<DeltaRequest>(noncePrefix, 'delta', handleDelta);

export const createSotwStream = (noncePrefix: string): ServerStream<SotwRequest> =>
  new Core<SotwRequest>(noncePrefix, 'sotw', handleSotw);

// A listener that was just taken may be waiting for routes by new names, which the client asks for right behind its answer.
// Until they are there the former listener serves, with clusters that may be gone from the view. Clients that never ask for
// some of the routes get their removals this much later.
const ROUTES_FOLLOW_MS = 1_000;

// A client that asks on and on without answering is not served further until it does.
const MAX_IN_FLIGHT = 64;

type Handle<Request> = (types: TypeTable, request: Request, now: number) => Handled;

interface TypeTable {
  get(typeUrl: string): TypeState | undefined;
  create(typeUrl: string): TypeState;
}

function handleDelta(types: TypeTable, request: DeltaRequest, now: number): Handled {
  const state = types.get(request.typeUrl);
  if (!state) {
    firstDelta(types.create(request.typeUrl), request);
    return 'subscribed';
  }
  // Changes of subscription count even when the nonce is stale.
  laterDelta(state, request);
  if (request.nonce === '') return 'subscribed';
  if (!state.inFlight.has(request.nonce)) return 'stale';
  state.answered(request.nonce, request.error?.message, now);
  return request.error ? 'rejected' : 'accepted';
}

function handleSotw(types: TypeTable, request: SotwRequest, now: number): Handled {
  const known = types.get(request.typeUrl);
  const state = known ?? types.create(request.typeUrl);
  if (request.nonce === '' || state.lastNonce === '') {
    firstSotw(state, request);
    const endpoints = types.get(XDS_TYPE.endpoint);
    if (request.typeUrl === XDS_TYPE.cluster && endpoints) endpoints.alwaysRespond = true;
    return 'subscribed';
  }
  if (request.nonce !== state.lastNonce) return 'stale';
  const answers = state.inFlight.has(request.nonce);
  state.answered(request.nonce, request.error?.message, now);
  laterSotw(state, request);
  if (!answers) return 'subscribed';
  return request.error ? 'rejected' : 'accepted';
}

class Core<Request extends DeltaRequest | SotwRequest> implements ServerStream<Request> {
  readonly #types = new Map<string, TypeState>();
  readonly #noncePrefix: string;
  readonly #protocol: 'delta' | 'sotw';
  readonly #handle: Handle<Request>;
  /** Clusters sent on this stream whose endpoints were not sent since: they warm until an answer comes. */
  readonly #warming = new Set<string>();
  #order: string[] = [];
  #nonces = 0;
  #heldUntil: number | undefined;

  constructor(noncePrefix: string, protocol: 'delta' | 'sotw', handle: Handle<Request>) {
    this.#noncePrefix = noncePrefix;
    this.#protocol = protocol;
    this.#handle = handle;
  }

  handle(request: Request, now: number): Handled {
    if (isReport(request.typeUrl)) return 'report';
    const create = (typeUrl: string): TypeState => {
      const state = new TypeState(typeUrl);
      this.#types.set(typeUrl, state);
      this.#order = [...this.#types.keys()].sort(byPushOrder);
      return state;
    };
    return this.#handle({ get: (typeUrl) => this.#types.get(typeUrl), create }, request, now);
  }

  changed(changes: ChangeSet | undefined): void {
    for (const [typeUrl, state] of this.#types) {
      const names = changes === undefined ? 'all' : changes.get(typeUrl);
      if (names !== undefined) state.markDirty(names);
    }
  }

  next(view: ResourceView, now: number): ServerResponse | undefined {
    const states = this.#order.flatMap((typeUrl) => this.#types.get(typeUrl) ?? []);
    for (const state of states) this.#refresh(state, view);
    this.#heldUntil = this.#routesFollow(view, now);
    const ready = states.find((state) => this.#mayGrow(state));
    if (ready) return this.#respond(ready, view, now);
    const shrinking = states.findLast(
      (state) => state.gone.size > 0 && state.inFlight.size === 0 && this.#mayShrink(state),
    );
    return shrinking && this.#respond(shrinking, view, now);
  }

  heldUntil(): number | undefined {
    return this.#heldUntil;
  }

  state(typeUrl: string): TypeState | undefined {
    return this.#types.get(typeUrl);
  }

  records(): readonly TypeRecord[] {
    return this.#order.flatMap((typeUrl) => {
      const state = this.#types.get(typeUrl);
      return state ? [recordOf(state)] : [];
    });
  }

  waitingSince(): number | undefined {
    let oldest: number | undefined;
    for (const state of this.#types.values()) {
      for (const { at } of state.inFlight.values()) if (oldest === undefined || at < oldest) oldest = at;
    }
    return oldest;
  }

  #refresh(state: TypeState, view: ResourceView): void {
    state.refresh(view);
    if (state.typeUrl === XDS_TYPE.endpoint) {
      for (const name of this.#warming) if (state.covers(name) && state.sent.has(name)) state.changed.add(name);
    }
    if (this.#protocol === 'delta' || isFullState(state.typeUrl)) return;
    // State of the world has no word for "does not exist": it is not mentioned, and sent once it appears.
    for (const name of state.gone) state.drop(name);
    const all = view.resources(state.typeUrl);
    for (const name of state.due) if (!all.has(name) && !standIn(state.typeUrl, name)) state.due.delete(name);
  }

  #mayGrow(state: TypeState): boolean {
    const { inFlight, hasAnswerDue } = state;
    const wanted = hasAnswerDue ? inFlight.size < MAX_IN_FLIGHT : this.#hasNews(state) && inFlight.size === 0;
    return wanted && !(NEEDS_CLUSTERS.has(state.typeUrl) && this.#clustersUnderWay());
  }

  /** New or changed clusters are due, on their way to the client, or wait there for their endpoints. */
  #clustersUnderWay(): boolean {
    const [clusters, endpoints] = [this.#types.get(XDS_TYPE.cluster), this.#types.get(XDS_TYPE.endpoint)];
    if (clusters && (clusters.hasAnswerDue || clusters.changed.size > 0 || clusters.grows)) return true;
    if (!endpoints) return false;
    return endpoints.hasAnswerDue || endpoints.grows || [...this.#warming].some((name) => endpoints.changed.has(name));
  }

  /** Removed listeners leave with the news: a new one may want their address, and nothing refers to them. */
  #hasNews(state: TypeState): boolean {
    return state.changed.size > 0 || (state.gone.size > 0 && !USERS.has(state.typeUrl));
  }

  /** Until when routes that the client has not asked for may be on their way, because of listeners that it just took. */
  #routesFollow(view: ResourceView, now: number): number | undefined {
    const [clusters, listeners, routes] = [XDS_TYPE.cluster, XDS_TYPE.listener, XDS_TYPE.route].map((typeUrl) =>
      this.#types.get(typeUrl),
    );
    const takenAt = listeners?.lastAcked?.at;
    if (clusters === undefined || clusters.gone.size === 0 || takenAt === undefined) return undefined;
    const until = takenAt + ROUTES_FOLLOW_MS;
    if (now >= until) return undefined;
    for (const name of view.resources(XDS_TYPE.route).keys()) if (!routes?.covers(name)) return until;
    return undefined;
  }

  #mayShrink(state: TypeState): boolean {
    if (this.#heldUntil !== undefined && state.typeUrl === XDS_TYPE.cluster) return false;
    return (USERS.get(state.typeUrl) ?? []).every((user) => {
      const users = this.#types.get(user);
      return !users || (users.settled && users.gone.size === 0);
    });
  }

  #respond(state: TypeState, view: ResourceView, now: number): ServerResponse {
    const full = this.#protocol === 'sotw' && isFullState(state.typeUrl);
    const isAnswer = state.hasAnswerDue;
    const removed = this.#mayShrink(state) ? [...state.gone] : [];
    const parts = full ? completeState(state, view, removed) : difference(state, view, removed);
    const grows = this.#noteWarming(state, parts.changed, isAnswer);
    this.#nonces += 1;
    const nonce = `${this.#noncePrefix}${this.#nonces}`;
    const { version } = view;
    const names = new Set([...parts.resources.map((resource) => resource.name), ...parts.removed]);
    const unanswered = state.grows;
    if (this.#protocol === 'sotw') {
      state.inFlight.clear();
      state.doubtful.clear();
    }
    state.inFlight.set(nonce, { nonce, version, at: now, names, grows: grows || unanswered });
    state.lastNonce = nonce;
    state.lastSent = { nonce, version, at: now };
    state.due.clear();
    state.dueAll = false;
    state.dueEmpty = false;
    return { typeUrl: state.typeUrl, version, nonce, resources: parts.resources, removed: parts.removed };
  }

  /**
   * A new or changed cluster warms until endpoints come, even when they are the same as before.
   * @returns whether routes should wait for the answer to this response.
   */
  #noteWarming(state: TypeState, changed: readonly string[], isAnswer: boolean): boolean {
    if (state.typeUrl === XDS_TYPE.endpoint) {
      const warmed = changed.filter((name) => this.#warming.delete(name));
      return isAnswer || warmed.length > 0;
    }
    if (state.typeUrl !== XDS_TYPE.cluster) return false;
    for (const name of changed) this.#warming.add(name);
    // The names of endpoints may differ from those of their clusters; an answered request covers all.
    const endpoints = this.#types.get(XDS_TYPE.endpoint);
    if (isAnswer && changed.length > 0) for (const name of endpoints?.sent.keys() ?? []) this.#warming.add(name);
    return changed.length > 0;
  }
}

interface Parts {
  readonly resources: readonly XdsResource[];
  /** Names among them that the client did not have in this version. */
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/** What is due and what changed, by name. */
function difference(state: TypeState, view: ResourceView, removed: readonly string[]): Parts {
  const all = view.resources(state.typeUrl);
  const everything = state.dueAll ? [...(state.wildcard ? all.keys() : []), ...state.names] : [];
  const resources: XdsResource[] = [];
  const missing: string[] = [];
  for (const name of new Set([...state.due, ...state.changed, ...everything])) {
    const known = state.covers(name) ? all.get(name) : undefined;
    // An empty stand-in where clients would wait for ever; else the client is told that there is none.
    const resource = known ?? (state.names.has(name) ? standIn(state.typeUrl, name) : undefined);
    if (resource) state.sent.set(name, resource.version);
    if (resource) resources.push(resource);
    else missing.push(name);
  }
  state.changed.clear();
  const names = resources.map((resource) => resource.name);
  for (const name of names) state.gone.delete(name);
  // A name is never in both lists: what was just asked for and got a stand-in is not removed as well.
  const told = new Set([...missing, ...removed.filter((name) => state.gone.has(name))]);
  for (const name of told) state.drop(name);
  return { resources, changed: names, removed: [...told] };
}

/** All that is covered, and what must stay until nothing refers to it. */
function completeState(state: TypeState, view: ResourceView, removed: readonly string[]): Parts {
  const all = view.resources(state.typeUrl);
  for (const name of removed) state.drop(name);
  const names = state.wildcard ? [...all.keys()] : [...state.names];
  const resources = names.flatMap((name) => all.get(name) ?? []);
  for (const name of state.gone) resources.push(...[state.kept.get(name) ?? []].flat());
  const changed = resources.filter(({ name, version }) => state.sent.get(name) !== version).map(({ name }) => name);
  for (const resource of resources) {
    state.sent.set(resource.name, resource.version);
    state.kept.set(resource.name, resource);
  }
  state.changed.clear();
  return { resources, changed, removed: [] };
}

function recordOf(state: TypeState): TypeRecord {
  const { typeUrl, wildcard, lastSent, lastAcked, lastNacked } = state;
  const pending = !state.settled || state.gone.size > 0;
  return {
    typeUrl,
    wildcard,
    names: [...state.names],
    resources: state.sent.size,
    status: state.refused ? 'nacked' : pending ? 'pending' : 'synced',
    ...(lastSent && { sent: lastSent }),
    ...(lastAcked && { acked: lastAcked }),
    ...(lastNacked && { nacked: lastNacked }),
  };
}
