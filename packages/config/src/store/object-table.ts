/** The versioned table behind every store: which objects there are, and what changed. */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import {
  byAge,
  configKey,
  refOf,
  type ConfigKey,
  type ConfigObject,
  type KindName,
  type ObjectMeta,
} from '@weft/contracts/config';
import type { ConfigChange, ConfigEvent } from './config-store.ts';

/** What the store remembers of an object beside its content. */
export interface ObjectRecord {
  readonly uid: string;
  readonly creationTimestamp: string;
  readonly generation: number;
  /** Tells whether the spec changed while the store was not running. */
  readonly specHash: string;
}

export interface TableDeps {
  /** RFC 3339 time of now. */
  readonly timestamp: () => string;
  readonly uid: () => string;
  /** Memory of an earlier run, so that ages survive a restart. */
  readonly remembered?: ReadonlyMap<ConfigKey, ObjectRecord>;
  readonly firstResourceVersion?: number;
}

export interface ObjectTable {
  list(kind?: KindName): readonly ConfigObject[];
  get(key: ConfigKey): ConfigObject | undefined;
  /** Makes the table hold exactly these objects. @returns undefined when nothing changed. */
  replace(objects: Iterable<ConfigObject>): ConfigEvent | undefined;
  version(): number;
  size(): number;
  records(): ReadonlyMap<ConfigKey, ObjectRecord>;
  resourceVersion(): number;
}

export function createObjectTable(deps: TableDeps): ObjectTable {
  let objects = new Map<ConfigKey, ConfigObject>();
  let sorted: readonly ConfigObject[] = [];
  let byKind = new Map<KindName, readonly ConfigObject[]>();
  let version = 0;
  let resourceVersion = deps.firstResourceVersion ?? 0;

  const stamp = (object: ConfigObject, former: ConfigObject | undefined): ConfigObject => {
    const known = deps.remembered?.get(configKey(refOf(object)));
    const specChanged =
      former === undefined
        ? known !== undefined && known.specHash !== specHash(object)
        : !isDeepStrictEqual(former.spec, object.spec);
    resourceVersion += 1;
    const metadata: ObjectMeta = {
      ...object.metadata,
      uid: former?.metadata.uid ?? known?.uid ?? deps.uid(),
      creationTimestamp:
        former?.metadata.creationTimestamp ??
        object.metadata.creationTimestamp ??
        known?.creationTimestamp ??
        deps.timestamp(),
      generation: (former?.metadata.generation ?? known?.generation ?? 1) + (specChanged ? 1 : 0),
      resourceVersion: String(resourceVersion),
    };
    return Object.freeze({ ...object, metadata: Object.freeze(metadata) });
  };

  return {
    list: (kind) => (kind === undefined ? sorted : (byKind.get(kind) ?? [])),
    get: (key) => objects.get(key),
    replace(next) {
      const changes: ConfigChange[] = [];
      const held = new Map<ConfigKey, ConfigObject>();
      for (const object of next) {
        const key = configKey(refOf(object));
        const former = objects.get(key);
        if (former !== undefined && sameContent(former, object)) {
          held.set(key, samePlace(former, object) ? former : Object.freeze({ ...former, ...place(object) }));
          continue;
        }
        const stored = stamp(object, former);
        held.set(key, stored);
        changes.push(
          former === undefined ? { type: 'added', object: stored } : { type: 'updated', object: stored, former },
        );
      }
      for (const [key, object] of objects) if (!held.has(key)) changes.push({ type: 'deleted', object });
      objects = held;
      sorted = [...held.values()].toSorted(byAge);
      byKind = groupByKind(sorted);
      if (changes.length === 0) return undefined;
      version += 1;
      return { version, changes };
    },
    version: () => version,
    size: () => objects.size,
    records: () =>
      new Map(
        [...objects].map(([key, object]) => [
          key,
          {
            uid: object.metadata.uid ?? '',
            creationTimestamp: object.metadata.creationTimestamp ?? '',
            generation: object.metadata.generation ?? 1,
            specHash: specHash(object),
          },
        ]),
      ),
    resourceVersion: () => resourceVersion,
  };
}

/** Equal for every reader: the same user-given metadata and spec. */
export function sameContent(a: ConfigObject, b: ConfigObject): boolean {
  return (
    a.apiVersion === b.apiVersion &&
    isDeepStrictEqual(a.metadata.labels, b.metadata.labels) &&
    isDeepStrictEqual(a.metadata.annotations, b.metadata.annotations) &&
    isDeepStrictEqual(a.spec, b.spec)
  );
}

const samePlace = (a: ConfigObject, b: ConfigObject): boolean => isDeepStrictEqual(a.source, b.source);
const place = (object: ConfigObject): Partial<ConfigObject> =>
  object.source === undefined ? {} : { source: object.source };

function groupByKind(objects: readonly ConfigObject[]): Map<KindName, readonly ConfigObject[]> {
  const groups = new Map<KindName, ConfigObject[]>();
  for (const object of objects) {
    const group = groups.get(object.kind);
    if (group === undefined) groups.set(object.kind, [object]);
    else group.push(object);
  }
  return groups;
}

const specHash = ({ spec }: ConfigObject): string =>
  createHash('sha256').update(JSON.stringify(spec)).digest('hex').slice(0, 16);
