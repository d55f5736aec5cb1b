import type { RouteConfiguration } from '@weft/contracts/lean/envoy/config/route/v3/route';
import { FilterConfigSchema } from '@weft/contracts/lean/envoy/config/route/v3/route_components';
import {
  type CompiledRoute,
  compileRoutes,
  ConfigRejectedError,
  type PackedConfig,
  type RouteTable,
} from '@weft/evaluator';
import { corsFilter } from '../filters/http/cors/cors.ts';
import { faultFilter } from '../filters/http/fault/fault.ts';
import { grpcWebFilter } from '../filters/http/grpc-web/grpc-web.ts';
import type { HcmRoutes } from '../filters/http/hcm-settings.ts';
import type { CompileDeps, FilterDeps, HttpFilter, HttpFilterFactory } from '../filters/http/http-filter.ts';
import { localRateLimitFilter } from '../filters/http/local-rate-limit/local-rate-limit.ts';
import { rbacFilter } from '../filters/http/rbac/rbac.ts';
import { statefulSessionFilter } from '../filters/http/stateful-session/stateful-session.ts';
import { opened, typeNameOf, unpack } from './any.ts';

/** One `typed_per_filter_config` entry, decoded once; undefined = of a filter that has no effect here. */
export interface RouteFilterConfig {
  readonly factory: HttpFilterFactory<unknown>;
  readonly config: unknown;
}

/** The route does without this filter. */
const SWITCHED_OFF: RouteFilterConfig = {
  factory: { typeName: '', parse: () => undefined, compile: () => undefined },
  config: undefined,
};

export type Table = RouteTable<RouteFilterConfig | undefined>;

/** A filter as the listener lists it. */
export interface ListedFilter {
  readonly name: string;
  readonly factory: HttpFilterFactory<unknown>;
  readonly config: unknown;
  readonly disabled: boolean;
}

const FACTORIES: readonly HttpFilterFactory<unknown>[] = [
  faultFilter,
  corsFilter,
  rbacFilter,
  localRateLimitFilter,
  statefulSessionFilter,
  grpcWebFilter,
];

// Known, and without effect in this proxy: what they do is done elsewhere, or is not done yet and restricts nothing.
const INERT_TYPES = new Set(['envoy.extensions.filters.http.grpc_stats.v3.FilterConfig']);
const INERT_NAMES = new Set(['istio.metadata_exchange', 'istio.stats', 'istio.alpn']);

export const isInert = (name: string, typeName: string): boolean => INERT_NAMES.has(name) || INERT_TYPES.has(typeName);

export const factoryOf = (typeName: string): HttpFilterFactory<unknown> | undefined =>
  FACTORIES.find((factory) => factory.typeName === typeName);

/** @throws {ConfigRejectedError} */
export function compileTable(message: RouteConfiguration, deps: FilterDeps): Table {
  if (message.internalOnlyHeaders.length > 0)
    throw new ConfigRejectedError(`RouteConfiguration "${message.name}"`, 'internal_only_headers is not supported');
  const seen = new Map<string, number>();
  return compileRoutes<RouteFilterConfig | undefined>(message, {
    regex: deps.regex,
    decodeFilterConfig(filter, packed) {
      const same = `${filter} ${packed.typeUrl} ${Buffer.from(packed.value).toString('latin1')}`;
      const nth = seen.get(same) ?? 0;
      seen.set(same, nth + 1);
      return decodeRouteConfig(filter, packed, deps, `RouteConfiguration "${message.name}"`, nth);
    },
  });
}

/** What a route says of a filter, whether bare or in a wrapper that can also switch the filter off. */
function decodeRouteConfig(
  filter: string,
  packed: PackedConfig,
  deps: FilterDeps,
  resource: string,
  nth: number,
): RouteFilterConfig | undefined {
  const wrapper = unpack(packed, FilterConfigSchema, resource);
  if (wrapper === undefined) return decodePlain(filter, packed, deps, resource, nth);
  if (wrapper.disabled) return SWITCHED_OFF;
  if (wrapper.config === undefined)
    throw new ConfigRejectedError(resource, `typed_per_filter_config["${filter}"]: neither config nor disabled is set`);
  try {
    return decodePlain(filter, wrapper.config, deps, resource, nth);
  } catch (error) {
    if (wrapper.isOptional && error instanceof UnknownFilterError) return undefined;
    throw error;
  }
}

/** @throws {UnknownFilterError} */
function decodePlain(
  filter: string,
  any: PackedConfig,
  deps: FilterDeps,
  resource: string,
  nth: number,
): RouteFilterConfig | undefined {
  const packed = opened(any, `${resource}: typed_per_filter_config["${filter}"]`);
  const typeName = typeNameOf(packed.typeUrl);
  if (isInert(filter, typeName)) return undefined;
  for (const factory of FACTORIES) {
    if (factory.parseRoute !== undefined && factory.routeTypeNames?.includes(typeName) === true) {
      return { factory, config: factory.parseRoute(packed, deps, resource, nth) };
    }
    if (factory.typeName === typeName) return { factory, config: factory.parse(packed, deps, resource) };
  }
  throw new UnknownFilterError(resource, `typed_per_filter_config["${filter}"]: ${typeName} is not supported`);
}

class UnknownFilterError extends ConfigRejectedError {}

/** The filter chain of each outcome of a table, for one connection manager. */
export function buildChains(
  table: Table | undefined,
  filters: readonly ListedFilter[],
  deps: Omit<CompileDeps, 'route'>,
): HcmRoutes {
  const chainFor = (
    configs: ReadonlyMap<string, RouteFilterConfig | undefined>,
    route: CompiledRoute | undefined,
  ): HttpFilter[] => {
    const own = { ...deps, route };
    return filters.flatMap((listed, slot) => {
      const config = configs.get(listed.name);
      if (config === SWITCHED_OFF) return [];
      const routeConfig = config !== undefined && config.factory === listed.factory ? config.config : undefined;
      if (listed.disabled && routeConfig === undefined) return [];
      const filter = listed.factory.compile(listed.config, routeConfig, slot, own);
      return filter === undefined ? [] : [filter];
    });
  };
  return {
    table,
    chains: (table?.matches ?? []).map((match) => chainFor(match.filterConfigs, match.route)),
    unroutedChain: chainFor(new Map(), undefined),
    slots: filters.length,
  };
}
