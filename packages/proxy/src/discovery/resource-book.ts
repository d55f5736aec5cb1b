import type { ResourceSet, ResourceType } from '../ports.ts';
import { type DecodedResource, RESOURCE_TYPES } from './decode.ts';

/** A resource that is in force, with the bytes it came as. */
export interface HeldResource<Type extends ResourceType = ResourceType> {
  readonly name: string;
  readonly version: string;
  readonly bytes: Uint8Array;
  readonly message: DecodedResource[Type];
  /** Epoch milliseconds. */
  readonly updatedAt: number;
}

/** A version that was refused; what stood before under the name stands. */
export interface RefusedResource {
  readonly name: string;
  readonly version: string;
  readonly bytes: Uint8Array;
  readonly reason: string;
  readonly at: number;
}

type Held = { readonly [Type in ResourceType]: ReadonlyMap<string, HeldResource<Type>> };

/** What discovery holds: an immutable value, so that an update that is refused is simply not kept. */
export interface ResourceBook {
  readonly held: Held;
  readonly refused: Readonly<Record<ResourceType, ReadonlyMap<string, RefusedResource>>>;
}

export const EMPTY_BOOK: ResourceBook = {
  held: { listener: new Map(), route: new Map(), cluster: new Map(), endpoint: new Map(), nameTable: new Map() },
  refused: { listener: new Map(), route: new Map(), cluster: new Map(), endpoint: new Map(), nameTable: new Map() },
};

export interface BookChange {
  readonly type: ResourceType;
  readonly taken: readonly HeldResource[];
  readonly removed: readonly string[];
  readonly refused: readonly RefusedResource[];
}

/** A new value with this change in it. A taken or removed name is no longer refused. */
export function changeBook(book: ResourceBook, change: BookChange): ResourceBook {
  const { type } = change;
  const held = new Map<string, HeldResource>(book.held[type]);
  const refused = new Map(book.refused[type]);
  for (const name of change.removed) {
    held.delete(name);
    refused.delete(name);
  }
  for (const resource of change.taken) {
    held.set(resource.name, resource);
    refused.delete(resource.name);
  }
  for (const one of change.refused) refused.set(one.name, one);
  return { held: { ...book.held, [type]: held }, refused: { ...book.refused, [type]: refused } };
}

/** Puts what stood before back under the names that were refused in use. */
export function restore(
  changed: ResourceBook,
  before: ResourceBook,
  rejected: readonly { readonly type: ResourceType; readonly name: string; readonly reason: string }[],
  now: number,
): ResourceBook {
  let book = changed;
  for (const { type, name, reason } of rejected) {
    const tried = changed.held[type].get(name);
    const former = before.held[type].get(name);
    if (tried === undefined || tried === former) continue;
    const refused = [{ name, version: tried.version, bytes: tried.bytes, reason, at: now }];
    book = changeBook(book, {
      type,
      taken: former === undefined ? [] : [former],
      removed: former === undefined ? [name] : [],
      refused,
    });
  }
  return book;
}

const messagesOf = <Type extends ResourceType>(
  held: ReadonlyMap<string, HeldResource<Type>>,
): ReadonlyMap<string, DecodedResource[Type]> => new Map([...held].map(([name, { message }]) => [name, message]));

/** @param former of an earlier book: kinds that have not changed since are the same objects, for the data path to see that. */
export function resourceSetOf(
  book: ResourceBook,
  former?: { readonly book: ResourceBook; readonly set: ResourceSet },
): ResourceSet {
  const { held } = book;
  const same = (type: ResourceType): boolean => former?.book.held[type] === held[type];
  return {
    listeners: former !== undefined && same('listener') ? former.set.listeners : messagesOf(held.listener),
    routes: former !== undefined && same('route') ? former.set.routes : messagesOf(held.route),
    clusters: former !== undefined && same('cluster') ? former.set.clusters : messagesOf(held.cluster),
    endpoints: former !== undefined && same('endpoint') ? former.set.endpoints : messagesOf(held.endpoint),
  };
}

export const isEmpty = ({ held }: ResourceBook): boolean => RESOURCE_TYPES.every((type) => held[type].size === 0);
