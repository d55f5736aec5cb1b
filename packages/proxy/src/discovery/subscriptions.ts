import { endpointNameOf, routeNamesOf } from './decode.ts';
import type { ResourceBook } from './resource-book.ts';

/** Names that what is held refers to, and so what to ask for next. */
export interface Wanted {
  readonly endpoint: ReadonlySet<string>;
  readonly route: ReadonlySet<string>;
}

export function wantedBy({ held }: ResourceBook): Wanted {
  const endpoint = new Set<string>();
  for (const { message } of held.cluster.values()) {
    const name = endpointNameOf(message);
    if (name !== undefined) endpoint.add(name);
  }
  const route = new Set<string>();
  for (const { message } of held.listener.values()) for (const name of routeNamesOf(message)) route.add(name);
  return { endpoint, route };
}
