import { CorsPolicySchema as RouteCorsPolicySchema } from '@weft/contracts/lean/envoy/config/route/v3/route_components';
import { CorsPolicySchema, CorsSchema } from '@weft/contracts/lean/envoy/extensions/filters/http/cors/v3/cors';
import type { RuntimeFractionalPercent } from '@weft/contracts/lean/envoy/config/core/v3/base';
import type { StringMatcher } from '@weft/contracts/lean/envoy/type/matcher/v3/string';
import {
  compileStringMatcher,
  ConfigRejectedError,
  fractionOf,
  type PackedConfig,
  type TextTest,
} from '@weft/evaluator';
import type { HeadView } from '../../../head/head-view.ts';
import { typeNameOf, unpack } from '../../../runtime/any.ts';
import type {
  CompileDeps,
  FilterDeps,
  FilterStatus,
  FilterStream,
  HttpFilter,
  HttpFilterFactory,
} from '../http-filter.ts';

type Header = readonly [name: string, value: string];

/** What one route allows other origins, as headers ready to be sent. */
export interface CorsConfig {
  readonly origins: readonly TextTest[];
  /** 0–1 of the requests that the policy holds for. */
  readonly enabled: number;
  /** 0–1 of the others whose origin is only counted. */
  readonly shadow: number;
  /** Beside the origin, on the answer to a preflight and to the request itself. */
  readonly preflightHeaders: readonly Header[];
  readonly responseHeaders: readonly Header[];
  readonly allowPrivateNetwork: boolean;
  /** Preflights of origins that are not allowed go on to the upstream. */
  readonly forwardUnmatched: boolean;
}

interface PolicyMessage {
  readonly allowOriginStringMatch: readonly StringMatcher[];
  readonly allowMethods: string;
  readonly allowHeaders: string;
  readonly exposeHeaders: string;
  readonly maxAge: string;
  readonly allowCredentials?: boolean | undefined;
  readonly allowPrivateNetworkAccess?: boolean | undefined;
  readonly forwardNotMatchingPreflights?: boolean | undefined;
  readonly shadowEnabled?: RuntimeFractionalPercent | undefined;
}

const FORBIDDEN_IN_VALUE = /[\0\r\n]/;

function compilePolicy(
  policy: PolicyMessage,
  enabled: RuntimeFractionalPercent | undefined,
  { regex }: FilterDeps,
  resource: string,
): CorsConfig {
  const header = (name: string, value: string): Header[] => {
    if (FORBIDDEN_IN_VALUE.test(value))
      throw new ConfigRejectedError(resource, `cors: line breaks and NUL can not stand in ${name}`);
    return value === '' ? [] : [[name, value]];
  };
  const credentials = header('access-control-allow-credentials', policy.allowCredentials === true ? 'true' : '');
  return {
    origins: policy.allowOriginStringMatch.map((matcher, i) =>
      compileStringMatcher(matcher, regex, { resource, path: `allow_origin_string_match[${i}]` }),
    ),
    enabled: fractionOf(enabled?.defaultValue),
    shadow: policy.shadowEnabled === undefined ? 0 : fractionOf(policy.shadowEnabled.defaultValue),
    preflightHeaders: [
      ...credentials,
      ...header('access-control-allow-methods', policy.allowMethods),
      ...header('access-control-allow-headers', policy.allowHeaders),
      ...header('access-control-max-age', policy.maxAge),
    ],
    responseHeaders: [...credentials, ...header('access-control-expose-headers', policy.exposeHeaders)],
    allowPrivateNetwork: policy.allowPrivateNetworkAccess ?? false,
    forwardUnmatched: policy.forwardNotMatchingPreflights ?? true,
  };
}

/** Answers preflights for the origins that a route allows, and marks the answers to their requests (Fetch standard, §3.2). */
class CorsFilter implements HttpFilter {
  readonly name = 'envoy.filters.http.cors';
  readonly #config: CorsConfig;
  readonly #slot: number;
  readonly #deps: CompileDeps;
  readonly #valid: number;
  readonly #invalid: number;

  constructor(config: CorsConfig, slot: number, deps: CompileDeps) {
    this.#config = config;
    this.#slot = slot;
    this.#deps = deps;
    this.#valid = deps.stats.counter(`http.${deps.statPrefix}.cors.origin_valid`);
    this.#invalid = deps.stats.counter(`http.${deps.statPrefix}.cors.origin_invalid`);
  }

  onRequestHead(stream: FilterStream): FilterStatus {
    const origin = stream.requestHeader('origin');
    if (origin === undefined || origin === '') return 'continue';
    const { enabled, shadow, forwardUnmatched, preflightHeaders, allowPrivateNetwork } = this.#config;
    const holds = this.#drawn(enabled);
    if (!holds && !this.#drawn(shadow)) return 'continue';
    const isAllowed = this.#allows(origin);
    this.#deps.stats.add(isAllowed ? this.#valid : this.#invalid, 1);
    if (!holds) return 'continue';
    const isPreflight =
      stream.method === 'OPTIONS' && (stream.requestHeader('access-control-request-method') ?? '') !== '';
    if (!isAllowed) {
      if (!isPreflight || forwardUnmatched) return 'continue';
      stream.reply('cors-origin-refused');
      return 'replied';
    }
    if (!isPreflight) {
      stream.slots[this.#slot] = origin;
      return 'continue';
    }
    const headers: Header[] = [['access-control-allow-origin', origin], ...preflightHeaders];
    if (allowPrivateNetwork && stream.requestHeader('access-control-request-private-network') === 'true')
      headers.push(['access-control-allow-private-network', 'true']);
    stream.reply('direct-response', { status: 200, silent: true, details: 'cors_response', headers });
    return 'replied';
  }

  onResponseHead(stream: FilterStream, head: HeadView): FilterStatus {
    const origin = stream.slots[this.#slot];
    if (typeof origin !== 'string') return 'continue';
    head.set('access-control-allow-origin', origin);
    for (const [name, value] of this.#config.responseHeaders) head.set(name, value);
    return 'continue';
  }

  #allows(origin: string): boolean {
    for (const test of this.#config.origins) if (test(origin)) return true;
    return false;
  }

  #drawn(fraction: number): boolean {
    return fraction >= 1 || (fraction > 0 && this.#deps.random.next() < fraction);
  }
}

export const corsFilter: HttpFilterFactory<CorsConfig | undefined> = {
  typeName: CorsSchema.typeName,
  routeTypeNames: [CorsPolicySchema.typeName, RouteCorsPolicySchema.typeName],
  // The listener only gives the filter its place: what is allowed stands on routes.
  parse: () => undefined,
  parseRoute(packed: PackedConfig, deps, resource) {
    if (typeNameOf(packed.typeUrl) === RouteCorsPolicySchema.typeName) {
      const older = unpack(packed, RouteCorsPolicySchema, resource);
      if (older === undefined) return undefined;
      return compilePolicy(older, older.enabledSpecifier.value, deps, resource);
    }
    const policy = unpack(packed, CorsPolicySchema, resource);
    return policy === undefined ? undefined : compilePolicy(policy, policy.filterEnabled, deps, resource);
  },
  compile(_, policy, slot, deps) {
    if (policy === undefined || (policy.enabled === 0 && policy.shadow === 0)) return undefined;
    return new CorsFilter(policy, slot, deps);
  },
};
