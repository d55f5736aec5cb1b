/** The server's half of delta: what a request changes. What to send is decided later, by `server-stream.ts`. */
import type { DeltaRequest } from './messages.ts';
import { allowsLegacyWildcard, WILDCARD } from './type-rules.ts';
import type { TypeState } from './type-state.ts';

/** The first request of a type on this stream. */
export function firstDelta(state: TypeState, request: DeltaRequest): void {
  const { subscribe, unsubscribe, initialVersions, typeUrl } = request;
  const namesNothing = subscribe.length === 0 && unsubscribe.length === 0;
  if (subscribe.includes(WILDCARD) || (namesNothing && allowsLegacyWildcard(typeUrl))) state.wildcard = true;
  for (const name of subscribe) if (name !== WILDCARD) state.names.add(name);
  for (const [name, version] of initialVersions) if (state.covers(name)) state.sent.set(name, version);
  // A name that the client holds is only compared; one that it does not hold needs an answer in any case.
  for (const name of state.names) if (!state.sent.has(name)) state.due.add(name);
  state.markDirty('all');
  state.dueEmpty = state.wildcard || state.names.size > 0;
}

/** A later request: acknowledgement, change of subscription, or both. */
export function laterDelta(state: TypeState, request: DeltaRequest): void {
  // A wildcard that begins with this request already covers the names that end with it.
  if (request.subscribe.includes(WILDCARD)) subscribe(state, WILDCARD);
  for (const name of request.unsubscribe) unsubscribe(state, name);
  for (const name of request.subscribe) if (name !== WILDCARD) subscribe(state, name);
}

/** Asking again for what the client was already sent is answered too: it may have dropped it. */
function subscribe(state: TypeState, name: string): void {
  if (name === WILDCARD) {
    state.wildcard = true;
    state.dueAll = true;
    for (const doubtful of state.doubtful) state.due.add(doubtful);
    return;
  }
  state.names.add(name);
  state.due.add(name);
}

function unsubscribe(state: TypeState, name: string): void {
  if (name === WILDCARD) {
    state.wildcard = false;
    state.dueAll = false;
    for (const held of [...state.sent.keys(), ...state.changed, ...state.gone]) {
      if (!state.names.has(held)) state.drop(held);
    }
    return;
  }
  const named = state.names.delete(name);
  if (!state.wildcard) {
    state.drop(name);
    return;
  }
  // The client can not know whether the wildcard still gives it this one.
  if (named) state.due.add(name);
}
