import {
  encodeCluster,
  encodeEndpoints,
  encodeListener,
  encodeNames,
  encodeRoutes,
  type EncodedResource,
  type GeneratedCluster,
  type GeneratedEndpoints,
  type GeneratedListener,
  type GeneratedNames,
  type GeneratedRoutes,
} from './resource.ts';

/** Encodes each resource once, and lets all proxies, and later snapshots, that have an equal one share its bytes. */
export interface Encoder {
  cluster(resource: GeneratedCluster): EncodedResource;
  endpoint(resource: GeneratedEndpoints): EncodedResource;
  listener(resource: GeneratedListener): EncodedResource;
  route(resource: GeneratedRoutes): EncodedResource;
  nameTable(resource: GeneratedNames): EncodedResource;
}

export function createEncoder(): Encoder {
  const made = new WeakMap<object, EncodedResource>();
  // Weak: bytes live as long as some proxy's view holds them.
  const shared = new Map<string, WeakRef<EncodedResource>>();
  const forget = new FinalizationRegistry<string>((key) => {
    if (shared.get(key)?.deref() === undefined) shared.delete(key);
  });
  const once = <Resource extends object>(
    resource: Resource,
    encode: (resource: Resource) => EncodedResource,
  ): EncodedResource => {
    const known = made.get(resource);
    if (known) return known;
    const fresh = encode(resource);
    const key = `${fresh.kind}|${fresh.name}|${fresh.version}`;
    const equal = shared.get(key)?.deref();
    // Equal bytes may come from other objects (a rule renamed): then what is shown as their source must follow.
    const encoded = equal === undefined ? fresh : sameSources(equal, fresh) ? equal : { ...fresh, bytes: equal.bytes };
    if (encoded !== equal) {
      shared.set(key, new WeakRef(encoded));
      forget.register(encoded, key);
    }
    made.set(resource, encoded);
    return encoded;
  };
  return {
    cluster: (resource) => once(resource, encodeCluster),
    endpoint: (resource) => once(resource, encodeEndpoints),
    listener: (resource) => once(resource, encodeListener),
    route: (resource) => once(resource, encodeRoutes),
    nameTable: (resource) => once(resource, encodeNames),
  };
}

const sameSources = (a: EncodedResource, b: EncodedResource): boolean =>
  JSON.stringify(a.sources) === JSON.stringify(b.sources);
