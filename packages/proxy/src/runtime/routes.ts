import type { RouteConfiguration } from '@weft/contracts/lean/envoy/config/route/v3/route';
import { compileRoutes, ConfigRejectedError, type PackedConfig, type RouteTable } from '@weft/evaluator';
import { corsFilter } from '../filters/http/cors/cors.ts';
import { faultFilter } from '../filters/http/fault/fault.ts';
import type { HcmRoutes } from '../filters/http/hcm-settings.ts';
import type { CompileDeps, FilterDeps, HttpFilter, HttpFilterFactory } from '../filters/http/http-filter.ts';
import { rbacFilter } from '../filters/http/rbac/rbac.ts';
import { statefulSessionFilter } from '../filters/http/stateful-session/stateful-session.ts';
import { typeNameOf } from './any.ts';

/** One `typed_per_filter_config` entry, decoded once; undefined = of a filter that has no effect here. */
export interface RouteFilterConfig {
  readonly factory: HttpFilterFactory<unknown>;
  readonly config: unknown;
}

export type Table = RouteTable<RouteFilterConfig | undefined>;

/** A filter as the listener lists it. */
export interface ListedFilter {
  readonly name: string;
  readonly factory: HttpFilterFactory<unknown>;
  readonly config: unknown;
  readonly disabled: boolean;
}

const FACTORIES: readonly HttpFilterFactory<unknown>[] = [faultFilter, corsFilter, rbacFilter, statefulSessionFilter];

// Known, and without effect in this proxy: what they do is done elsewhere, or is not done yet and restricts nothing.
const INERT_TYPES = new Set(['envoy.extensions.filters.http.grpc_stats.v3.FilterConfig']);
const INERT_NAMES = new Set(['istio.metadata_exchange', 'istio.stats', 'istio.alpn']);

export const isInert = (name: string, typeName: string): boolean => INERT_NAMES.has(name) || INERT_TYPES.has(typeName);

export const factoryOf = (typeName: string): HttpFilterFactory<unknown> | undefined =>
  FACTORIES.find((factory) => factory.typeName === typeName);

/** @throws {ConfigRejectedError} */
export function compileTable(message: RouteConfiguration, deps: FilterDeps): Table {
  return compileRoutes<RouteFilterConfig | undefined>(message, {
    regex: deps.regex,
    decodeFilterConfig: (filter, packed) =>
      decodeRouteConfig(filter, packed, deps, `RouteConfiguration "${message.name}"`),
  });
}

function decodeRouteConfig(
  filter: string,
  packed: PackedConfig,
  deps: FilterDeps,
  resource: string,
): RouteFilterConfig | undefined {
  const typeName = typeNameOf(packed.typeUrl);
  if (isInert(filter, typeName)) return undefined;
  for (const factory of FACTORIES) {
    if (factory.parseRoute !== undefined && factory.routeTypeNames?.includes(typeName) === true) {
      return { factory, config: factory.parseRoute(packed, deps, resource) };
    }
    if (factory.typeName === typeName) return { factory, config: factory.parse(packed, deps, resource) };
  }
  throw new ConfigRejectedError(resource, `typed_per_filter_config["${filter}"]: ${typeName} is not supported`);
}

/** The filter chain of each outcome of a table, for one connection manager. */
export function buildChains(table: Table | undefined, filters: readonly ListedFilter[], deps: CompileDeps): HcmRoutes {
  const chainFor = (configs: ReadonlyMap<string, RouteFilterConfig | undefined>): HttpFilter[] =>
    filters.flatMap((listed, slot) => {
      const own = configs.get(listed.name);
      const routeConfig = own !== undefined && own.factory === listed.factory ? own.config : undefined;
      if (listed.disabled && routeConfig === undefined) return [];
      const filter = listed.factory.compile(listed.config, routeConfig, slot, deps);
      return filter === undefined ? [] : [filter];
    });
  return {
    table,
    chains: (table?.matches ?? []).map((match) => chainFor(match.filterConfigs)),
    unroutedChain: chainFor(new Map()),
    slots: filters.length,
  };
}
