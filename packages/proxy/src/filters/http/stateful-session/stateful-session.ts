import {
  type StatefulSession,
  StatefulSessionPerRouteSchema,
  StatefulSessionSchema,
} from '@weft/contracts/lean/envoy/extensions/filters/http/stateful_session/v3/stateful_session';
import { CookieBasedSessionStateSchema } from '@weft/contracts/lean/envoy/extensions/http/stateful_session/cookie/v3/cookie';
import { HeaderBasedSessionStateSchema } from '@weft/contracts/lean/envoy/extensions/http/stateful_session/header/v3/header';
import { ConfigRejectedError, type PackedConfig } from '@weft/evaluator';
import type { HeadView } from '../../../head/head-view.ts';
import { unpack } from '../../../runtime/any.ts';
import { millisOr } from '../../../runtime/durations.ts';
import type { FilterDeps, FilterStatus, FilterStream, HttpFilter, HttpFilterFactory } from '../http-filter.ts';
import { cookieValue } from '../router/request-hash.ts';

/** Where the host of a session is carried. Nothing: the filter is listed, and routes that want it say so. */
export type SessionConfig =
  | { readonly kind: 'none' }
  | { readonly kind: 'header'; readonly name: string; readonly strict: boolean }
  | {
      readonly kind: 'cookie';
      readonly name: string;
      /** 0 = for the client's session. */
      readonly maxAgeSeconds: number;
      readonly path: string;
      readonly strict: boolean;
    };

type BoundConfig = Exclude<SessionConfig, { kind: 'none' }>;

const NONE: SessionConfig = { kind: 'none' };
// RFC 6265 §4.1.1 and RFC 9110 §5.1: a token.
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const PATH = /^[\x20-\x3a\x3c-\x7e]*$/;

function parse(packed: PackedConfig, _: FilterDeps, resource: string): SessionConfig {
  const message = unpack(packed, StatefulSessionSchema, resource);
  if (message === undefined)
    throw new ConfigRejectedError(resource, `stateful session: ${packed.typeUrl} is not its configuration`);
  return sessionOf(message, resource);
}

function parseRoute(packed: PackedConfig, deps: FilterDeps, resource: string): SessionConfig {
  const message = unpack(packed, StatefulSessionPerRouteSchema, resource);
  if (message === undefined) return parse(packed, deps, resource);
  return message.override.case === 'statefulSession' ? sessionOf(message.override.value, resource) : NONE;
}

function sessionOf({ sessionState, strict }: StatefulSession, resource: string): SessionConfig {
  if (sessionState === undefined) return NONE;
  const cookie = unpack(sessionState.typedConfig, CookieBasedSessionStateSchema, resource)?.cookie;
  if (cookie !== undefined) {
    if (!TOKEN.test(cookie.name) || !PATH.test(cookie.path))
      throw new ConfigRejectedError(resource, 'stateful session: the cookie’s name or path can not stand in a header');
    const maxAgeSeconds = Math.floor(millisOr(cookie.ttl, 0) / 1000);
    return { kind: 'cookie', name: cookie.name, maxAgeSeconds, path: cookie.path, strict };
  }
  const header = unpack(sessionState.typedConfig, HeaderBasedSessionStateSchema, resource);
  if (header === undefined)
    throw new ConfigRejectedError(resource, `stateful session: ${sessionState.name} is not supported`);
  if (!TOKEN.test(header.name))
    throw new ConfigRejectedError(resource, 'stateful session: the name can not be that of a header');
  return { kind: 'header', name: header.name.toLowerCase(), strict };
}

const encode = (address: string): string => Buffer.from(address).toString('base64');
/** Whatever it is becomes a name that no host has, or one that has: then the client has that host anyway. */
const decode = (text: string): string => Buffer.from(text, 'base64').toString();

/** Binds clients to the host that first answered them, by what they carry: nothing is remembered here. */
class SessionFilter implements HttpFilter {
  readonly name = 'envoy.filters.http.stateful_session';
  readonly #config: BoundConfig;

  constructor(config: BoundConfig) {
    this.#config = config;
  }

  onRequestHead(stream: FilterStream, head: HeadView): FilterStatus {
    const config = this.#config;
    const carried =
      config.kind === 'header'
        ? head.get(config.name)
        : isBelow(stream.path, config.path)
          ? cookieValue(head.get('cookie'), config.name)
          : undefined;
    if (carried === undefined || carried === '') return 'continue';
    stream.boundTo = decode(carried);
    stream.boundStrictly = config.strict;
    return 'continue';
  }

  onResponseHead(stream: FilterStream, head: HeadView): FilterStatus {
    const { record, boundTo } = stream;
    // Answers of our own say nothing about where the session is.
    if (record.details !== 'via_upstream' || record.upstreamHost === '' || record.upstreamHost === boundTo)
      return 'continue';
    const config = this.#config;
    const value = encode(record.upstreamHost);
    if (config.kind === 'header') head.set(config.name, value);
    else if (isBelow(stream.path, config.path))
      head.add(
        'set-cookie',
        `${config.name}="${value}"` +
          (config.maxAgeSeconds > 0 ? `; Max-Age=${config.maxAgeSeconds}` : '') +
          (config.path === '' ? '' : `; Path=${config.path}`) +
          '; HttpOnly',
      );
    return 'continue';
  }
}

/** RFC 6265 §5.1.4. */
function isBelow(path: string, cookiePath: string): boolean {
  if (cookiePath === '' || cookiePath === '/' || path === cookiePath) return true;
  return path.startsWith(cookiePath.endsWith('/') ? cookiePath : `${cookiePath}/`);
}

export const statefulSessionFilter: HttpFilterFactory<SessionConfig> = {
  typeName: StatefulSessionSchema.typeName,
  routeTypeNames: [StatefulSessionPerRouteSchema.typeName],
  parse,
  parseRoute,
  compile(config, routeConfig) {
    const effective = routeConfig ?? config;
    return effective.kind === 'none' ? undefined : new SessionFilter(effective);
  },
};
