/** LocalRateLimits as Envoy's local rate limit: a filter of its own for each, so that each counts by itself. */
import { create, fromJson } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import {
  type RateLimit,
  RateLimitSchema,
  type RateLimit_ActionSchema,
} from '@weft/contracts/full/envoy/config/route/v3/route_components';
import { HeaderValueOption_HeaderAppendAction } from '@weft/contracts/full/envoy/config/core/v3/base';
import {
  VhRateLimitsOptions,
  XRateLimitHeadersRFCVersion,
} from '@weft/contracts/full/envoy/extensions/common/ratelimit/v3/ratelimit';
import { LocalRateLimitSchema } from '@weft/contracts/full/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit';
import {
  type HttpFilter,
  HttpFilterSchema,
} from '@weft/contracts/full/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { HttpStatusSchema } from '@weft/contracts/full/envoy/type/v3/http_status';
import type { TokenBucketSchema } from '@weft/contracts/full/envoy/type/v3/token_bucket';
import type { SourceRef } from '../config-store/config-object.ts';
import type { RateLimitAction, RequestLimit } from '../config-store/kinds.ts';
import { durationMs } from '../model/duration.ts';
import { attachedLimits, type AttachedLimit } from '../snapshot/local-rate-limits.ts';
import type { GeneratorContext } from './context.ts';
import { duration, fromStringMatch, pack, percentage, type Init } from './envoy.ts';

const filterName = (name: string): string => `envoy.filters.http.local_ratelimit.${name}`;

export interface LimitFilters {
  readonly filters: readonly HttpFilter[];
  /** For the routes or virtual hosts of the same connection manager. */
  readonly rateLimits: readonly RateLimit[];
  readonly refs: readonly SourceRef[];
}

/** What everything that comes to one port is limited to, and the places of the limits that routes may have. */
export function limitFilters(
  { snapshot, proxy }: GeneratorContext,
  side: 'inbound' | 'gateway',
  port: number,
): LimitFilters {
  const here = attachedLimits(snapshot, proxy).filter(
    ({ limit }) =>
      (limit.port === undefined || limit.port === port) && (side === 'gateway' || (limit.routes ?? []).length === 0),
  );
  return {
    filters: here.map((one) =>
      isOnRoutes(one.limit) ? placeOf(one) : filter(one.name, localRateLimit(one.name, one.limit)),
    ),
    rateLimits: here.flatMap(({ limit }) => (isOnRoutes(limit) ? [] : rateLimitsOf(limit))),
    refs: here.map(({ ref }) => ref),
  };
}

/** In a caller's sidecar: the places of the limits that its routes may have, for whatever port they are. */
export const outboundLimitFilters = ({ snapshot, proxy }: GeneratorContext): readonly HttpFilter[] =>
  attachedLimits(snapshot, proxy)
    .filter(({ limit }) => isOnRoutes(limit))
    .map(placeOf);

const filter = (name: string, value: Any): HttpFilter =>
  create(HttpFilterSchema, { name: filterName(name), configType: { case: 'typedConfig', value } });

/** Does nothing by itself: its routes say what. */
const placeOf = ({ name }: AttachedLimit): HttpFilter => filter(name, pack(LocalRateLimitSchema, { statPrefix: name }));

export interface RouteLimits {
  readonly perFilter: Readonly<Record<string, Any>>;
  readonly rateLimits: readonly RateLimit[];
  readonly refs: readonly SourceRef[];
}

/** What one named route is limited to, at a gateway or in a caller's sidecar. */
export function routeLimits({ snapshot, proxy }: GeneratorContext, route: string, port: number): RouteLimits {
  const here: readonly AttachedLimit[] =
    route === ''
      ? []
      : attachedLimits(snapshot, proxy).filter(
          ({ limit }) => (limit.routes ?? []).includes(route) && (limit.port === undefined || limit.port === port),
        );
  return {
    perFilter: Object.fromEntries(here.map(({ name, limit }) => [filterName(name), localRateLimit(name, limit)])),
    rateLimits: here.flatMap(({ limit }) => rateLimitsOf(limit)),
    refs: here.map(({ ref }) => ref),
  };
}

const isOnRoutes = ({ routes = [] }: RequestLimit): boolean => routes.length > 0;

function localRateLimit(name: string, limit: RequestLimit): Any {
  const percent = (value: RequestLimit['enabled']) => ({
    defaultValue: percentage(value === undefined ? 100 : (value.value ?? 0)),
    runtimeKey: '',
  });
  return pack(LocalRateLimitSchema, {
    statPrefix: name,
    ...(limit.status === undefined ? {} : { status: fromJson(HttpStatusSchema, { code: limit.status }) }),
    ...(limit.tokenBucket === undefined ? {} : { tokenBucket: tokenBucket(limit.tokenBucket) }),
    filterEnabled: percent(limit.enabled),
    filterEnforced: percent(limit.enforced),
    responseHeadersToAdd: headers(limit.responseHeaders),
    requestHeadersToAddWhenNotEnforced: headers(limit.requestHeaders),
    descriptors: (limit.descriptors ?? []).map((one) => ({
      entries: one.entries.map(({ key, value }) => ({ key, value })),
      tokenBucket: tokenBucket(one.tokenBucket),
    })),
    localRateLimitPerDownstreamConnection: limit.perConnection ?? false,
    enableXRatelimitHeaders: limit.rateLimitHeaders
      ? XRateLimitHeadersRFCVersion.DRAFT_VERSION_03
      : XRateLimitHeadersRFCVersion.OFF,
    // Several limits may count on one route: none must hide what another counts by.
    vhRateLimits: VhRateLimitsOptions.INCLUDE,
    ...(limit.alwaysConsumeDefaultTokenBucket === undefined
      ? {}
      : { alwaysConsumeDefaultTokenBucket: limit.alwaysConsumeDefaultTokenBucket }),
  });
}

function tokenBucket(bucket: NonNullable<RequestLimit['tokenBucket']>): Init<typeof TokenBucketSchema> {
  return {
    maxTokens: bucket.maxTokens,
    tokensPerFill: bucket.tokensPerFill ?? 1,
    fillInterval: duration(durationMs(bucket.fillInterval) ?? 0),
  };
}

const headers = (given: Readonly<Record<string, string>> = {}) =>
  Object.entries(given).map(([key, value]) => ({
    header: { key, value },
    appendAction: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
  }));

const rateLimitsOf = ({ rateLimits = [] }: RequestLimit): RateLimit[] =>
  rateLimits.map(({ actions }) => create(RateLimitSchema, { actions: actions.map(actionOf) }));

function actionOf(action: RateLimitAction): Init<typeof RateLimit_ActionSchema> {
  const { requestHeader, genericKey, headerMatch } = action;
  if (requestHeader) {
    const { name, key, skipIfAbsent = false } = requestHeader;
    return {
      actionSpecifier: { case: 'requestHeaders', value: { headerName: name, descriptorKey: key, skipIfAbsent } },
    };
  }
  if (genericKey) {
    return {
      actionSpecifier: {
        case: 'genericKey',
        value: { descriptorKey: genericKey.key ?? '', descriptorValue: genericKey.value },
      },
    };
  }
  if (headerMatch) {
    return {
      actionSpecifier: {
        case: 'headerValueMatch',
        value: {
          descriptorKey: headerMatch.key ?? '',
          descriptorValue: headerMatch.value,
          expectMatch: headerMatch.expectMatch ?? true,
          headers: Object.entries(headerMatch.headers).map(([name, match]) => {
            const value = fromStringMatch(match);
            return {
              name,
              headerMatchSpecifier: value
                ? ({ case: 'stringMatch', value } as const)
                : ({ case: 'presentMatch', value: true } as const),
            };
          }),
        },
      },
    };
  }
  return { actionSpecifier: { case: 'remoteAddress', value: {} } };
}
