// The configuration as a worker has it, and what of it another thread has: changes go between them.
import { decodeResource } from '../discovery/decode.ts';
import type { BytesOf, ResourceSet, ResourceType } from '../ports.ts';
import type { WorkerUpdate } from './messages.ts';

export const NO_RESOURCES: ResourceSet = {
  listeners: new Map(),
  routes: new Map(),
  clusters: new Map(),
  endpoints: new Map(),
};

const FIELDS = [
  ['cluster', 'clusters'],
  ['endpoint', 'endpoints'],
  ['listener', 'listeners'],
  ['route', 'routes'],
] as const satisfies readonly (readonly [ResourceType, keyof ResourceSet])[];

export type ResourceChange = Pick<WorkerUpdate, 'changed' | 'removed'>;

/** Takes changes in. Messages that did not change stay the same objects. */
export class HeldResources {
  readonly #held: Record<ResourceType, Map<string, object>> = {
    cluster: new Map(),
    endpoint: new Map(),
    listener: new Map(),
    route: new Map(),
    nameTable: new Map(),
  };

  change({ changed, removed }: ResourceChange): ResourceSet {
    for (const { type, name } of removed) this.#held[type].delete(name);
    for (const { type, name, bytes } of changed) this.#held[type].set(name, decodeResource(type, bytes));
    return Object.fromEntries(
      FIELDS.map(([type, field]) => [field, new Map(this.#held[type])]),
    ) as unknown as ResourceSet;
  }
}

interface Told {
  readonly message: object;
  readonly bytes: Uint8Array;
}

/** Knows what others were told, and says what they are to be told. */
export class ToldResources {
  readonly #told = new Map<ResourceType, Map<string, Told>>(FIELDS.map(([type]) => [type, new Map()]));
  /** What stood before the last change, of what it changed. */
  readonly #before = new Map<string, Told | undefined>();

  /** @param refused what did not come into force: what was told before under its name stands. */
  change(resources: ResourceSet, refused: ReadonlySet<string>, bytesOf: BytesOf): ResourceChange {
    const changed: { type: ResourceType; name: string; bytes: Uint8Array }[] = [];
    const removed: { type: ResourceType; name: string }[] = [];
    this.#before.clear();
    for (const [type, field] of FIELDS) {
      const told = this.#of(type);
      const { [field]: now } = resources;
      for (const name of told.keys()) {
        if (now.has(name)) continue;
        told.delete(name);
        removed.push({ type, name });
      }
      for (const [name, message] of now) {
        const bytes = bytesOf(type, name);
        const former = told.get(name);
        if (former?.message === message || bytes === undefined || refused.has(refusedKey(type, name))) continue;
        this.#before.set(refusedKey(type, name), former);
        told.set(name, { message, bytes });
        changed.push({ type, name, bytes: copyOf(bytes) });
      }
    }
    return { changed, removed };
  }

  /** What takes back these of the last change. */
  takeBack(refused: readonly { readonly type: ResourceType; readonly name: string }[]): ResourceChange {
    const changed: { type: ResourceType; name: string; bytes: Uint8Array }[] = [];
    const removed: { type: ResourceType; name: string }[] = [];
    for (const { type, name } of refused) {
      const key = refusedKey(type, name);
      if (!this.#before.has(key)) continue;
      const before = this.#before.get(key);
      this.#before.delete(key);
      if (before === undefined) {
        this.#of(type).delete(name);
        removed.push({ type, name });
      } else {
        this.#of(type).set(name, before);
        changed.push({ type, name, bytes: copyOf(before.bytes) });
      }
    }
    return { changed, removed };
  }

  #of(type: ResourceType): Map<string, Told> {
    return this.#told.get(type) ?? new Map<string, Told>();
  }
}

/** A message to a thread takes along all of the memory that its bytes are a part of. */
const copyOf = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);

export const refusedKey = (type: ResourceType, name: string): string => `${type} ${name}`;
