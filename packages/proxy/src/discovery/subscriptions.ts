import type { WantedSecrets } from '../secrets/secret-intake.ts';
import { endpointNameOf, routeNamesOf } from './decode.ts';
import type { ResourceBook } from './resource-book.ts';
import { secretsOfCluster, secretsOfListener } from './secret-names.ts';

/** Names that what is held refers to, and so what to ask for next. */
export interface Wanted {
  readonly endpoint: ReadonlySet<string>;
  readonly route: ReadonlySet<string>;
  readonly secrets: WantedSecrets;
}

/** What a message names, read once. */
export type KnownSecrets = WeakMap<object, WantedSecrets>;

export function wantedBy({ held }: ResourceBook, known: KnownSecrets): Wanted {
  const endpoint = new Set<string>();
  const route = new Set<string>();
  const [files, served] = [new Set<string>(), new Set<string>()];
  const add = <Message extends object>(message: Message, read: (message: Message) => WantedSecrets): void => {
    const names = known.get(message) ?? read(message);
    known.set(message, names);
    for (const name of names.files) files.add(name);
    for (const name of names.served) served.add(name);
  };
  for (const { message } of held.cluster.values()) {
    const name = endpointNameOf(message);
    if (name !== undefined) endpoint.add(name);
    add(message, secretsOfCluster);
  }
  for (const { message } of held.listener.values()) {
    for (const name of routeNamesOf(message)) route.add(name);
    add(message, secretsOfListener);
  }
  return { endpoint, route, secrets: { files, served } };
}
