import { type HashPolicy, queryParameter } from '@weft/evaluator';
import type { DownstreamConnection } from '../../../http/streams.ts';
import { Xxh64 } from '../../../upstream/hash/xxh64.ts';

/** What hash policies read of a request. */
export interface HashedRequest {
  /** Address of the client, as far as it is trusted. */
  readonly remoteIp: string;
  readonly query: string;
  readonly downstream: { readonly connection: DownstreamConnection };
  requestHeader(name: string): string | undefined;
}

/** The key of consistent hashing, by Envoy's rules. One serves many requests, one after the other: results hold until the next call. */
export class RequestHash {
  /** Whether any policy found something. */
  found = false;
  /** A cookie that the client has to be given, for its next requests; empty when none. */
  setCookie = '';
  readonly #xxh = new Xxh64();
  readonly #value = new Uint32Array(2);

  get high(): number {
    return this.#value[0] ?? 0;
  }
  get low(): number {
    return this.#value[1] ?? 0;
  }

  evaluate(policies: readonly HashPolicy[], request: HashedRequest): void {
    this.found = false;
    this.setCookie = '';
    for (const policy of policies) {
      const text = this.#keyOf(policy, request);
      if (text !== undefined) this.#mix(text);
      if (policy.terminal && this.found) return;
    }
  }

  #keyOf(policy: HashPolicy, request: HashedRequest): string | undefined {
    switch (policy.kind) {
      case 'header':
        return request.requestHeader(policy.name);
      case 'source-ip':
        return request.remoteIp === '' ? undefined : request.remoteIp;
      case 'query-parameter':
        return request.query === '' ? undefined : queryParameter(request.query, policy.name);
      case 'cookie': {
        const value = cookieValue(request.requestHeader('cookie'), policy.name);
        if ((value !== undefined && value !== '') || policy.ttlMs === undefined)
          return value === '' ? undefined : value;
        return this.#freshCookie(policy, request.downstream.connection);
      }
    }
  }

  /** The same for all requests of a connection, so that those in flight together get the same one. */
  #freshCookie(policy: Extract<HashPolicy, { kind: 'cookie' }>, connection: DownstreamConnection): string {
    const { remoteAddress, remotePort, localAddress, localPort } = connection;
    this.#xxh.text(`${remoteAddress}:${remotePort}${localAddress}:${localPort}`);
    const value = hex(this.#xxh.high) + hex(this.#xxh.low);
    const maxAge = Math.floor((policy.ttlMs ?? 0) / 1000);
    const attributes = policy.attributes.map(({ name, value: text }) =>
      text === '' ? `; ${name}` : `; ${name}=${text}`,
    );
    this.setCookie =
      `${policy.name}="${value}"` +
      (maxAge > 0 ? `; Max-Age=${maxAge}` : '') +
      (policy.path === '' ? '' : `; Path=${policy.path}`) +
      attributes.join('') +
      '; HttpOnly';
    return value;
  }

  /** What was found before is turned by one bit, so that two equal keys do not cancel each other out. */
  #mix(text: string): void {
    const value = this.#value;
    this.#xxh.text(text);
    const high = this.found ? (value[0] ?? 0) : 0;
    const low = this.found ? (value[1] ?? 0) : 0;
    value[0] = ((high << 1) | (low >>> 31)) ^ this.#xxh.high;
    value[1] = ((low << 1) | (high >>> 31)) ^ this.#xxh.low;
    this.found = true;
  }
}

const hex = (half: number): string => half.toString(16).padStart(8, '0');

/** RFC 6265 §5.4; quotes around the value are not part of it. */
export function cookieValue(cookies: string | undefined, name: string): string | undefined {
  if (cookies === undefined) return undefined;
  for (let start = 0; start < cookies.length;) {
    const next = cookies.indexOf(';', start);
    const end = next === -1 ? cookies.length : next;
    let at = start;
    while (at < end && cookies.charCodeAt(at) === SPACE) at += 1;
    if (cookies.startsWith(name, at) && cookies[at + name.length] === '=') {
      const value = cookies.slice(at + name.length + 1, end).trimEnd();
      return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
    }
    start = end + 1;
  }
  return undefined;
}

const SPACE = 0x20;
