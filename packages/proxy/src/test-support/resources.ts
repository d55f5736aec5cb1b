// Resources for tests, as short as they can be said.
import { create, toBinary, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import { type Cluster, ClusterSchema } from '@weft/contracts/lean/envoy/config/cluster/v3/cluster';
import { ClusterLoadAssignmentSchema } from '@weft/contracts/lean/envoy/config/endpoint/v3/endpoint';
import { type Listener, ListenerSchema } from '@weft/contracts/lean/envoy/config/listener/v3/listener';
import { FilterChainSchema, type FilterChain } from '@weft/contracts/lean/envoy/config/listener/v3/listener_components';
import { RouteConfigurationSchema, type RouteConfiguration } from '@weft/contracts/lean/envoy/config/route/v3/route';
import { RouterSchema } from '@weft/contracts/lean/envoy/extensions/filters/http/router/v3/router';
import { HttpConnectionManagerSchema } from '@weft/contracts/lean/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { TcpProxySchema } from '@weft/contracts/lean/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy';
import type { ResourceSet } from '../ports.ts';

export function pack<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>): Any {
  return create(AnySchema, {
    typeUrl: `type.googleapis.com/${schema.typeName}`,
    value: toBinary(schema, create(schema, init)),
  });
}

type HcmInit = Exclude<MessageInitShape<typeof HttpConnectionManagerSchema>, { $typeName: string }>;
type RouteInit = MessageInitShape<typeof RouteConfigurationSchema>;
type ListenerInit = Exclude<MessageInitShape<typeof ListenerSchema>, { $typeName: string }>;
type ChainInit = Exclude<MessageInitShape<typeof FilterChainSchema>, { $typeName: string }>;
type ClusterInit = Exclude<MessageInitShape<typeof ClusterSchema>, { $typeName: string }>;

export const routerFilter = {
  name: 'envoy.filters.http.router',
  configType: { case: 'typedConfig', value: pack(RouterSchema, {}) },
} as const;

/** A chain with an HTTP connection manager over inline routes, or over RDS when `routes` is a name. */
export function httpChain(routes: RouteInit | string, hcm: HcmInit = {}, chain: ChainInit = {}): FilterChain {
  const { httpFilters = [], ...rest } = hcm;
  return create(FilterChainSchema, {
    ...chain,
    filters: [
      {
        name: 'envoy.filters.network.http_connection_manager',
        configType: {
          case: 'typedConfig',
          value: pack(HttpConnectionManagerSchema, {
            statPrefix: 'test',
            ...rest,
            routeSpecifier:
              typeof routes === 'string'
                ? { case: 'rds', value: { routeConfigName: routes } }
                : { case: 'routeConfig', value: create(RouteConfigurationSchema, routes) },
            httpFilters: [...httpFilters, routerFilter],
          }),
        },
      },
    ],
  });
}

export function tcpChain(cluster: string, chain: ChainInit = {}): FilterChain {
  return create(FilterChainSchema, {
    ...chain,
    filters: [
      {
        name: 'envoy.filters.network.tcp_proxy',
        configType: {
          case: 'typedConfig',
          value: pack(TcpProxySchema, { statPrefix: 'test', clusterSpecifier: { case: 'cluster', value: cluster } }),
        },
      },
    ],
  });
}

/** Listens on a free port of the loopback interface. */
export function listener(name: string, filterChains: FilterChain[], init: ListenerInit = {}): Listener {
  return create(ListenerSchema, {
    name,
    address: {
      address: {
        case: 'socketAddress',
        value: { address: '127.0.0.1', portSpecifier: { case: 'portValue', value: 0 } },
      },
    },
    filterChains,
    ...init,
  });
}

type RouteEntry = NonNullable<
  Exclude<
    NonNullable<Exclude<RouteInit, { $typeName: string }>['virtualHosts']>[number],
    { $typeName: string }
  >['routes']
>[number];

/** One virtual host for all names. */
export const routes = (...entries: RouteEntry[]): RouteInit => ({
  name: 'test-routes',
  virtualHosts: [{ name: 'all', domains: ['*'], routes: entries }],
});

export const namedRoutes = (name: string, ...entries: RouteEntry[]): RouteConfiguration =>
  create(RouteConfigurationSchema, { ...routes(...entries), name });

type ActionInit = Exclude<
  Extract<NonNullable<Exclude<RouteEntry, { $typeName: string }>['action']>, { case: 'route' }>['value'],
  { $typeName: string }
>;

/** Everything under a prefix goes to one cluster. */
export const toCluster = (
  cluster: string,
  action: ActionInit = {},
  entry: Partial<Exclude<RouteEntry, { $typeName: string }>> = {},
): RouteEntry => ({
  name: `to-${cluster}`,
  match: { pathSpecifier: { case: 'prefix', value: '/' } },
  ...entry,
  action: { case: 'route', value: { clusterSpecifier: { case: 'cluster', value: cluster }, timeout: {}, ...action } },
});

/** The address of an endpoint. */
export const hostAt = (port: number, address = '127.0.0.1') => ({
  hostIdentifier: {
    case: 'endpoint' as const,
    value: {
      address: {
        address: {
          case: 'socketAddress' as const,
          value: { address, portSpecifier: { case: 'portValue' as const, value: port } },
        },
      },
    },
  },
});

export interface EndpointInit {
  readonly port: number;
  readonly address?: string;
  readonly weight?: number;
}

export function staticCluster(
  name: string,
  endpoints: readonly (number | EndpointInit)[],
  init: ClusterInit = {},
): Cluster {
  return create(ClusterSchema, {
    name,
    loadAssignment: create(ClusterLoadAssignmentSchema, {
      clusterName: name,
      endpoints: [
        {
          lbEndpoints: endpoints.map((endpoint) => {
            const {
              port,
              address = '127.0.0.1',
              weight,
            } = typeof endpoint === 'number' ? { port: endpoint } : endpoint;
            return {
              ...hostAt(port, address),
              ...(weight === undefined ? {} : { loadBalancingWeight: weight }),
            };
          }),
        },
      ],
    }),
    ...init,
  });
}

const byName = <T extends { readonly name: string }>(items: readonly T[]): ReadonlyMap<string, T> =>
  new Map(items.map((item) => [item.name, item]));

export const resourceSet = (parts: {
  readonly listeners?: readonly Listener[];
  readonly routes?: readonly RouteConfiguration[];
  readonly clusters?: readonly Cluster[];
}): ResourceSet => ({
  listeners: byName(parts.listeners ?? []),
  routes: byName(parts.routes ?? []),
  clusters: byName(parts.clusters ?? []),
  endpoints: new Map(),
});
