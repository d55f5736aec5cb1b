/** What the protocol says about single resource types. */
import { XDS_PUSH_ORDER, XDS_TYPE } from '@weft/contracts';
import type { XdsResource } from '../resource.ts';

// Types for which a request without names asks for nothing.
const NAMED_ONLY: ReadonlySet<string> = new Set([
  XDS_TYPE.endpoint,
  XDS_TYPE.route,
  XDS_TYPE.virtualHost,
  XDS_TYPE.secret,
  XDS_TYPE.runtime,
  XDS_TYPE.extensionConfig,
]);

const FULL_STATE: ReadonlySet<string> = new Set([XDS_TYPE.cluster, XDS_TYPE.listener]);

// An empty message of these has its name in field 1, and clients of Istio wait for them without a time limit.
const NEVER_MISSING: ReadonlySet<string> = new Set([XDS_TYPE.endpoint, XDS_TYPE.route]);

// Reports of clients that use the stream but ask for nothing.
const REPORTS: ReadonlySet<string> = new Set(['type.googleapis.com/istio.v1.HealthInformation']);

/** A first request without names means all resources. */
export const allowsLegacyWildcard = (typeUrl: string): boolean => !NAMED_ONLY.has(typeUrl);

/** In state of the world every response is complete, and absence deletes. */
export const isFullState = (typeUrl: string): boolean => FULL_STATE.has(typeUrl);

export const isReport = (typeUrl: string): boolean => REPORTS.has(typeUrl);

export const WILDCARD = '*';

/** Version of a stand-in for a resource that does not exist. */
export const ABSENT = 'absent';

/** An empty resource, for types whose subscribers must get an answer even for unknown names. */
export function standIn(typeUrl: string, name: string): XdsResource | undefined {
  return NEVER_MISSING.has(typeUrl) ? { name, version: ABSENT, bytes: stringField1(name) } : undefined;
}

function stringField1(text: string): Uint8Array {
  const content = Buffer.from(text, 'utf8');
  const head = [0x0a];
  let rest = content.length;
  for (; rest > 0x7f; rest >>>= 7) head.push((rest & 0x7f) | 0x80);
  head.push(rest);
  return Buffer.concat([Uint8Array.from(head), content]);
}

const rank = (typeUrl: string): number => {
  const at = XDS_PUSH_ORDER.indexOf(typeUrl);
  return at < 0 ? XDS_PUSH_ORDER.length : at;
};

/** Sorts by the order of a push; unknown types come last, as they are. */
export const byPushOrder = (a: string, b: string): number => rank(a) - rank(b);

/** Types whose resources refer to those of the given one: it may shrink only after they let go. */
export const USERS: ReadonlyMap<string, readonly string[]> = new Map([
  [XDS_TYPE.cluster, [XDS_TYPE.listener, XDS_TYPE.route, XDS_TYPE.virtualHost]],
  [XDS_TYPE.endpoint, [XDS_TYPE.cluster]],
  [XDS_TYPE.route, [XDS_TYPE.listener]],
  [XDS_TYPE.virtualHost, [XDS_TYPE.route]],
  [XDS_TYPE.secret, [XDS_TYPE.cluster, XDS_TYPE.listener]],
]);

/** Types that send traffic to clusters, which must be ready before. */
export const NEEDS_CLUSTERS: ReadonlySet<string> = new Set([XDS_TYPE.listener, XDS_TYPE.route, XDS_TYPE.virtualHost]);
