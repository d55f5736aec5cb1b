/** A sidecar's own ports: mutual TLS by policy, authorization, then the application. */
import { create } from '@bufbuild/protobuf';
import { clusterName, listenerName } from '@weft/contracts';
import { TrafficDirection } from '@weft/contracts/full/envoy/config/core/v3/base';
import { ListenerSchema } from '@weft/contracts/full/envoy/config/listener/v3/listener';
import {
  ListenerFilterSchema,
  type Filter,
  type FilterChainSchema,
  type ListenerFilter,
} from '@weft/contracts/full/envoy/config/listener/v3/listener_components';
import { RouteConfigurationSchema, type RouteConfiguration } from '@weft/contracts/full/envoy/config/route/v3/route';
import { HttpInspectorSchema } from '@weft/contracts/full/envoy/extensions/filters/listener/http_inspector/v3/http_inspector';
import { TlsInspectorSchema } from '@weft/contracts/full/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector';
import type { MtlsMode } from '../config-store/kinds.ts';
import { durationMs } from '../model/duration.ts';
import { isHttp } from '../model/protocol.ts';
import { peerMode } from '../snapshot/peer-authentication.ts';
import { httpAuthorization, networkAuthorization } from './authorization-filters.ts';
import type { GeneratorContext } from './context.ts';
import { duration, pack, socketAddress, type Init } from './envoy.ts';
import { httpConnectionManager } from './http-connection-manager.ts';
import { inboundPorts, type InboundPort } from './inbound-plan.ts';
import { generated, type GeneratedListener } from './resource.ts';
import { tcpProxy } from './tcp-proxy.ts';
import { MESH_HTTP_ALPN, meshServerTls } from './tls.ts';

type ChainInit = Init<typeof FilterChainSchema>;

export function buildInboundListeners(context: GeneratorContext): readonly GeneratedListener[] {
  return inboundPorts(context).map((port) => inboundListener(context, port));
}

function inboundListener(context: GeneratorContext, port: InboundPort): GeneratedListener {
  const { mode, refs } = peerMode(context.snapshot, context.proxy, port.number);
  const http = httpAuthorization(context, port);
  const tcp = networkAuthorization(context, port);
  const stacks: Stacks = {
    http: () => [
      httpConnectionManager(context, {
        side: 'inbound',
        statPrefix: `inbound_${listenerName(port.bind, port.listenPort)}`,
        routes: inboundRoutes(port),
        authorization: http.filters,
      }),
    ],
    tcp: () => [
      ...tcp.filters,
      tcpProxy(
        context.snapshot.mesh,
        clusterName('inbound', port.number),
        [{ name: clusterName('inbound', port.number), weight: 1 }],
        durationMs(port.connectionPool?.tcp?.idleTimeout),
      ),
    ],
  };
  const chains = chainsOf(mode, port, stacks, context);
  const message = create(ListenerSchema, {
    name: listenerName(port.bind, port.listenPort),
    address: socketAddress(port.bind, port.listenPort),
    trafficDirection: TrafficDirection.INBOUND,
    bindToPort: true,
    listenerFilters: listenerFilters(chains),
    ...(chains.length > 1 ? { continueOnListenerFiltersTimeout: true, listenerFiltersTimeout: duration(0) } : {}),
    filterChains: chains,
    metadata: {
      filterMetadata: {
        istio: {
          services: port.services.map((service) => ({
            host: service.hostname,
            name: service.name,
            namespace: service.namespace,
          })),
        },
      },
    },
  });
  return generated(message, [...port.refs, ...refs, ...http.refs]);
}

interface Stacks {
  http(): Filter[];
  tcp(): Filter[];
}

/** Which bytes reach which stack: the table of PeerAuthentication mode by declared protocol. */
function chainsOf(
  mode: Exclude<MtlsMode, 'UNSET'>,
  port: InboundPort,
  stacks: Stacks,
  { snapshot }: GeneratorContext,
): ChainInit[] {
  const name = listenerName(port.bind, port.listenPort);
  const tls = {
    transportSocket: meshServerTls(port.protocol, snapshot.mesh),
    transportSocketConnectTimeout: duration(15_000),
  };
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
      if (!detect) return [{ name, filters: http ? stacks.http() : stacks.tcp(), ...tls }];
      return [
        { name: `${name}_http`, filterChainMatch: httpTls, filters: stacks.http(), ...tls },
        { name: `${name}_tcp`, filterChainMatch: { transportProtocol: 'tls' }, filters: stacks.tcp(), ...tls },
      ];
    case 'DISABLE':
      if (!detect) return [{ name, filters: http ? stacks.http() : stacks.tcp() }];
      return [
        { name: `${name}_http`, filterChainMatch: plainHttp, filters: stacks.http() },
        { name: `${name}_tcp`, filters: stacks.tcp() },
      ];
    case 'PERMISSIVE':
      if (http) {
        return [
          { name: `${name}_mtls`, filterChainMatch: meshTls, filters: stacks.http(), ...tls },
          { name: `${name}_plain`, filterChainMatch: plain, filters: stacks.http() },
        ];
      }
      return [
        ...(detect
          ? [
              { name: `${name}_http_mtls`, filterChainMatch: httpTls, filters: stacks.http(), ...tls },
              { name: `${name}_http_plain`, filterChainMatch: plainHttp, filters: stacks.http() },
            ]
          : []),
        { name: `${name}_mtls`, filterChainMatch: detect ? tcpTls : meshTls, filters: stacks.tcp(), ...tls },
        // An application's own TLS goes through untouched.
        { name: `${name}_tls`, filterChainMatch: { transportProtocol: 'tls' }, filters: stacks.tcp() },
        { name: `${name}_plain`, filterChainMatch: plain, filters: stacks.tcp() },
      ];
  }
}

/** Inspectors only where a chain's match needs what they find. */
function listenerFilters(chains: readonly ChainInit[]): ListenerFilter[] {
  const needsTls = chains.some((chain) => chain.filterChainMatch?.transportProtocol);
  const needsHttp = chains.some((chain) => chain.filterChainMatch?.applicationProtocols?.includes('http/1.1'));
  return [...(needsTls ? [tlsInspector()] : []), ...(needsHttp ? [httpInspector()] : [])];
}

export const tlsInspector = (): ListenerFilter =>
  create(ListenerFilterSchema, {
    name: 'envoy.filters.listener.tls_inspector',
    configType: { case: 'typedConfig', value: pack(TlsInspectorSchema) },
  });
export const httpInspector = (): ListenerFilter =>
  create(ListenerFilterSchema, {
    name: 'envoy.filters.listener.http_inspector',
    configType: { case: 'typedConfig', value: pack(HttpInspectorSchema) },
  });

/** Everything goes to the application; its own time limits are its callers'. */
function inboundRoutes(port: InboundPort): RouteConfiguration {
  const cluster = clusterName('inbound', port.number);
  const host = port.services[0]?.hostname ?? '*';
  return create(RouteConfigurationSchema, {
    name: cluster,
    validateClusters: false,
    virtualHosts: [
      {
        name: `inbound|http|${port.number}`,
        domains: ['*'],
        routes: [
          {
            name: 'default',
            match: { pathSpecifier: { case: 'prefix', value: '/' } },
            decorator: { operation: `${host}:${port.number}/*` },
            action: {
              case: 'route',
              value: {
                clusterSpecifier: { case: 'cluster', value: cluster },
                timeout: duration(0),
                maxStreamDuration: { maxStreamDuration: duration(0), grpcTimeoutHeaderMax: duration(0) },
              },
            },
          },
        ],
      },
    ],
  });
}
