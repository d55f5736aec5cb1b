/** The server's half of state of the world: what a request changes. What to send is decided by `server-stream.ts`. */
import type { SotwRequest } from './messages.ts';
import { allowsLegacyWildcard, isFullState, WILDCARD } from './type-rules.ts';
import type { TypeState } from './type-state.ts';

/** First request of a type, or one that starts over with an empty nonce: all that is asked for will be sent. */
export function firstSotw(state: TypeState, request: SotwRequest): void {
  for (const name of state.sent.keys()) state.drop(name);
  state.inFlight.clear();
  state.lastNonce = '';
  state.alwaysRespond = false;
  state.due.clear();
  state.names.clear();
  subscribeTo(state, request);
  askForAll(state);
}

/** A request with the latest nonce. Only added names need an answer, except where every response is complete. */
export function laterSotw(state: TypeState, request: SotwRequest): void {
  const before = { wildcard: state.wildcard, names: new Set(state.names) };
  subscribeTo(state, request);
  const added = [...state.names].filter((name) => !before.names.has(name));
  const removed = [...before.names].filter((name) => !state.names.has(name));
  if (!state.wildcard) for (const name of removed) state.drop(name);
  const changed = added.length > 0 || removed.length > 0 || before.wildcard !== state.wildcard;
  if (state.alwaysRespond || (state.wildcard && !before.wildcard)) askForAll(state);
  else if (changed && isFullState(state.typeUrl)) askForAll(state);
  else for (const name of added) state.due.add(name);
  state.alwaysRespond = false;
}

function subscribeTo(state: TypeState, { names, typeUrl }: SotwRequest): void {
  if (names.length > 0) state.everNamed = true;
  state.wildcard = names.includes(WILDCARD) || (!state.everNamed && allowsLegacyWildcard(typeUrl));
  state.names.clear();
  for (const name of names) if (name !== WILDCARD) state.names.add(name);
  if (!state.wildcard) {
    for (const held of state.sent.keys()) if (!state.names.has(held)) state.drop(held);
  }
}

function askForAll(state: TypeState): void {
  if (state.wildcard || (isFullState(state.typeUrl) && state.names.size > 0)) state.dueAll = true;
  else for (const name of state.names) state.due.add(name);
}
