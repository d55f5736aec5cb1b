/** Filter chains of a sidecar's own ports: mutual TLS by policy, authorization, then the application. */
import { create } from '@bufbuild/protobuf';
import { clusterName, ISTIO_METADATA, listenerName } from '@weft/contracts';
import type { MetadataSchema } from '@weft/contracts/full/envoy/config/core/v3/base';
import type { Filter } from '@weft/contracts/full/envoy/config/listener/v3/listener_components';
import type { RateLimit } from '@weft/contracts/full/envoy/config/route/v3/route_components';
import { RouteConfigurationSchema, type RouteConfiguration } from '@weft/contracts/full/envoy/config/route/v3/route';
import type { SourceRef } from '../config-store/config-object.ts';
import type { MtlsMode } from '../config-store/kinds.ts';
import { isHttp, type Protocol } from '../model/protocol.ts';
import { httpDenials, networkDenials } from '../mixer/denial-filter.ts';
import { peerMode } from '../snapshot/peer-authentication.ts';
import { httpAuthorization, networkAuthorization } from './authorization-filters.ts';
import type { GeneratorContext } from './context.ts';
import { duration, type Init } from './envoy.ts';
import { connectionLimit, connectionMetadata, listenerLimits } from './listener-limits.ts';
import { limitFilters } from './local-rate-limit.ts';
import { httpConnectionManager } from './http-connection-manager.ts';
import type { InboundPort } from './inbound-plan.ts';
import type { ChainInit } from './listener-parts.ts';
import { timeLimits } from './route-action.ts';
import { tcpPolicy, tcpProxy } from './tcp-proxy.ts';
import { MESH_HTTP_ALPN, meshServerTls } from './tls.ts';

interface PortChains {
  readonly chains: readonly ChainInit[];
  /** Of connections to the port as a whole; for a listener of its own. */
  readonly connections: Init<typeof MetadataSchema> | undefined;
  readonly refs: readonly SourceRef[];
}

/** The chains of one port, without a word about where it is. */
export function portChains(context: GeneratorContext, port: InboundPort): PortChains {
  const { mode, refs } = peerMode(context.snapshot, context.proxy, port.number);
  const http = httpAuthorization(context, port);
  const tcp = networkAuthorization(context, port);
  const limits = limitFilters(context, 'inbound', port.number);
  const clients = listenerLimits(context, port.number);
  const name = listenerName(port.bind, port.listenPort);
  const denials = { http: httpDenials(context, port), tcp: networkDenials(context, port) };
  const stacks: Stacks = {
    http: () => [
      ...connectionLimit(clients, name),
      httpConnectionManager(context, {
        side: 'inbound',
        statPrefix: `inbound_${name}`,
        routes: inboundRoutes(port, limits.rateLimits),
        authorization: [...denials.http.filters, ...http.filters],
        limits: limits.filters,
        clients,
        grpcWeb: port.protocol === 'grpc-web',
      }),
    ],
    tcp: () => [
      ...connectionLimit(clients, name),
      ...denials.tcp.filters,
      ...tcp.filters,
      tcpProxy(
        context.snapshot.mesh,
        clusterName('inbound', port.number),
        [{ name: clusterName('inbound', port.number), weight: 1 }],
        tcpPolicy(port.connectionPool ? { connectionPool: port.connectionPool } : {}),
      ),
    ],
  };
  return {
    chains: chainsOf(mode, { name, protocol: port.protocol }, stacks, context),
    connections: connectionMetadata(clients, false),
    refs: [...port.refs, ...refs, ...http.refs, ...limits.refs, ...clients.refs, ...denials.http.refs],
  };
}

export const servicesMetadata = ({ services }: InboundPort): Init<typeof MetadataSchema> => ({
  filterMetadata: {
    [ISTIO_METADATA]: {
      services: services.map(({ hostname, name, namespace }) => ({ host: hostname, name, namespace })),
    },
  },
});

export interface Stacks {
  http(): Filter[];
  tcp(): Filter[];
}

/** Which bytes reach which stack: the table of PeerAuthentication mode by declared protocol. */
export function chainsOf(
  mode: Exclude<MtlsMode, 'UNSET'>,
  port: { readonly name: string; readonly protocol: Protocol },
  stacks: Stacks,
  { snapshot }: GeneratorContext,
): ChainInit[] {
  const { name } = port;
  const tls = (serves: 'http' | 'tcp'): ChainInit => ({
    transportSocket: meshServerTls(serves, snapshot.mesh),
    transportSocketConnectTimeout: duration(15_000),
  });
  const http = isHttp(port.protocol);
  const detect = port.protocol === 'auto';
  const meshTls = { transportProtocol: 'tls', applicationProtocols: [...MESH_HTTP_ALPN] };
  const httpTls = {
    transportProtocol: 'tls',
    applicationProtocols: MESH_HTTP_ALPN.filter((alpn) => alpn.startsWith('istio-h')),
  };
  const tcpTls = { transportProtocol: 'tls', applicationProtocols: ['istio-peer-exchange', 'istio'] };
  const plain = { transportProtocol: 'raw_buffer' };
  const plainHttp = { ...plain, applicationProtocols: ['http/1.0', 'http/1.1', 'h2c'] };
  switch (mode) {
    case 'STRICT':
      // One chain and nothing to inspect: what is not mutual TLS fails its handshake.
      if (!detect) return [{ name, filters: http ? stacks.http() : stacks.tcp(), ...tls(http ? 'http' : 'tcp') }];
      return [
        { name: `${name}_http`, filterChainMatch: httpTls, filters: stacks.http(), ...tls('http') },
        { name: `${name}_tcp`, filterChainMatch: { transportProtocol: 'tls' }, filters: stacks.tcp(), ...tls('tcp') },
      ];
    case 'DISABLE':
      if (!detect) return [{ name, filters: http ? stacks.http() : stacks.tcp() }];
      return [
        { name: `${name}_http`, filterChainMatch: plainHttp, filters: stacks.http() },
        // Named by transport as well: the match does not go back from a chain that fits better up to there.
        { name: `${name}_tcp`, filterChainMatch: plain, filters: stacks.tcp() },
        { name: `${name}_tls`, filterChainMatch: { transportProtocol: 'tls' }, filters: stacks.tcp() },
      ];
    case 'PERMISSIVE':
      if (http) {
        return [
          { name: `${name}_mtls`, filterChainMatch: meshTls, filters: stacks.http(), ...tls('http') },
          { name: `${name}_plain`, filterChainMatch: plain, filters: stacks.http() },
        ];
      }
      return [
        ...(detect
          ? [
              { name: `${name}_http_mtls`, filterChainMatch: httpTls, filters: stacks.http(), ...tls('http') },
              { name: `${name}_http_plain`, filterChainMatch: plainHttp, filters: stacks.http() },
            ]
          : []),
        { name: `${name}_mtls`, filterChainMatch: detect ? tcpTls : meshTls, filters: stacks.tcp(), ...tls('tcp') },
        // An application's own TLS goes through untouched.
        { name: `${name}_tls`, filterChainMatch: { transportProtocol: 'tls' }, filters: stacks.tcp() },
        { name: `${name}_plain`, filterChainMatch: plain, filters: stacks.tcp() },
      ];
  }
}

const inboundRoutes = (port: InboundPort, rateLimits: readonly RateLimit[]): RouteConfiguration =>
  toApplication(
    clusterName('inbound', port.number),
    `inbound|http|${port.number}`,
    `${port.services[0]?.hostname ?? '*'}:${port.number}/*`,
    rateLimits,
  );

/** Everything goes to the application; its own time limits are its callers'. */
export function toApplication(
  cluster: string,
  host: string,
  operation: string,
  rateLimits: readonly RateLimit[],
): RouteConfiguration {
  return create(RouteConfigurationSchema, {
    name: cluster,
    validateClusters: false,
    virtualHosts: [
      {
        name: host,
        domains: ['*'],
        routes: [
          {
            name: 'default',
            match: { pathSpecifier: { case: 'prefix', value: '/' } },
            decorator: { operation },
            action: {
              case: 'route',
              value: {
                clusterSpecifier: { case: 'cluster', value: cluster },
                ...timeLimits(0),
                rateLimits: [...rateLimits],
              },
            },
          },
        ],
      },
    ],
  });
}
