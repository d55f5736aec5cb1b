// Header names that the data path itself asks for have small numbers, so that finding one is a comparison of integers.

const NAMES = [
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'date',
  'server',
  'via',
  'user-agent',
  'content-type',
  'http2-settings',
  'x-request-id',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-client-cert',
  'x-envoy-attempt-count',
  'x-envoy-upstream-service-time',
  'x-envoy-internal',
  'x-envoy-external-address',
  'x-envoy-original-path',
  'x-envoy-overloaded',
  'x-envoy-decorator-operation',
  'x-weft-reason',
  'traceparent',
  'tracestate',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
  'cookie',
  'authorization',
  'end-user',
  'accept',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'etag',
  'last-modified',
  'set-cookie',
  'location',
  'origin',
  'referer',
  'grpc-timeout',
  'grpc-status',
  'x-forwarded-host',
  'x-client-trace-id',
  'x-envoy-peer-metadata',
  'x-envoy-peer-metadata-id',
] as const;

/** 0 stands for a name without a number. */
export type NameId = number;
export const UNKNOWN_NAME: NameId = 0;

const IDS: ReadonlyMap<string, NameId> = new Map(NAMES.map((name, index) => [name, index + 1]));

/** @returns 0 for a name that has no number. */
export const nameId = (lowerCaseName: string): NameId => IDS.get(lowerCaseName) ?? UNKNOWN_NAME;

const known = (name: (typeof NAMES)[number]): NameId => nameId(name);
export const HOST = known('host');
export const CONNECTION = known('connection');
export const CONTENT_LENGTH = known('content-length');
export const TRANSFER_ENCODING = known('transfer-encoding');
export const UPGRADE = known('upgrade');
export const EXPECT = known('expect');

const lowerOf = (byte: number): number => (byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte);

/** Folds one more byte of a name into its hash; start with 0. */
export const hashNameByte = (hash: number, lowerByte: number): number => (Math.imul(hash, 31) + lowerByte) | 0;

const SLOTS = 256;
const buckets: readonly (readonly { readonly id: NameId; readonly bytes: Uint8Array }[])[] = (() => {
  const table: { id: NameId; bytes: Uint8Array }[][] = Array.from({ length: SLOTS }, () => []);
  for (const [name, id] of IDS) {
    const bytes = Uint8Array.from(Buffer.from(name, 'latin1'));
    const hash = bytes.reduce(hashNameByte, 0);
    table[(hash ^ (hash >>> 8)) & (SLOTS - 1)]?.push({ id, bytes });
  }
  return table;
})();

/** The number of a name in received bytes, whatever its case; `hash` is that of its lower-case bytes. */
export function findNameId(buffer: Uint8Array, start: number, end: number, hash: number): NameId {
  const bucket = buckets[(hash ^ (hash >>> 8)) & (SLOTS - 1)];
  if (bucket === undefined) return UNKNOWN_NAME;
  for (const candidate of bucket) {
    const { bytes } = candidate;
    if (bytes.length !== end - start) continue;
    let at = 0;
    while (at < bytes.length && lowerOf(buffer[start + at] ?? 0) === bytes[at]) at += 1;
    if (at === bytes.length) return candidate.id;
  }
  return UNKNOWN_NAME;
}
