/** The one listener that calls to a workload are redirected to: its declared ports by policy, any other port straight through. */
import { create } from '@bufbuild/protobuf';
import {
  BLACK_HOLE_CLUSTER,
  INBOUND_CAPTURE_PORT,
  INBOUND_PASSTHROUGH_CLUSTER,
  VIRTUAL_INBOUND,
} from '@weft/contracts';
import { TrafficDirection } from '@weft/contracts/full/envoy/config/core/v3/base';
import { ListenerSchema } from '@weft/contracts/full/envoy/config/listener/v3/listener';
import {
  ListenerFilterSchema,
  type ListenerFilter,
  type ListenerFilterChainMatchPredicateSchema,
} from '@weft/contracts/full/envoy/config/listener/v3/listener_components';
import { OriginalDstSchema } from '@weft/contracts/full/envoy/extensions/filters/listener/original_dst/v3/original_dst';
import type { SourceRef } from '../config-store/config-object.ts';
import { peerMode, portsWithMode } from '../snapshot/peer-authentication.ts';
import { httpDenials, networkDenials } from '../mixer/denial-filter.ts';
import { httpAuthorization, networkAuthorization } from './authorization-filters.ts';
import type { GeneratorContext } from './context.ts';
import { duration, pack, socketAddress, type Init } from './envoy.ts';
import { httpConnectionManager } from './http-connection-manager.ts';
import { chainsOf, portChains, servicesMetadata, toApplication, type Stacks } from './inbound-chains.ts';
import type { InboundPort } from './inbound-plan.ts';
import {
  DETECTION_TIMEOUT_MS,
  httpInspector,
  needsHttpInspector,
  needsTlsInspector,
  tlsInspector,
  type ChainInit,
} from './listener-parts.ts';
import { generated, type GeneratedListener } from './resource.ts';
import { limitFilters } from './local-rate-limit.ts';
import { tcpProxy } from './tcp-proxy.ts';

/** Chains that connections to one port choose among; undefined: to all ports without chains of their own. */
interface PortGroup {
  readonly port: number | undefined;
  readonly chains: readonly ChainInit[];
  readonly refs: readonly SourceRef[];
}

/** @param ports those that nothing is bound for, sorted. */
export function virtualInbound(context: GeneratorContext, ports: readonly InboundPort[]): GeneratedListener {
  const declared = new Set(ports.map(({ listenPort }) => listenPort));
  const groups: readonly PortGroup[] = [
    loopGuard(context),
    undeclared(context, undefined),
    ...portsWithMode(context.snapshot, context.proxy)
      .filter((port) => !declared.has(port) && port !== INBOUND_CAPTURE_PORT)
      .map((port) => undeclared(context, port)),
    ...ports.map((port): PortGroup => {
      const { chains, refs } = portChains(context, port);
      const metadata = servicesMetadata(port);
      return {
        port: port.listenPort,
        chains: chains.map((chain) => ({ ...onPort(chain, port.listenPort), metadata })),
        refs,
      };
    }),
  ];
  const message = create(ListenerSchema, {
    name: VIRTUAL_INBOUND,
    address: socketAddress('0.0.0.0', INBOUND_CAPTURE_PORT),
    trafficDirection: TrafficDirection.INBOUND,
    listenerFilters: [
      originalDestinationFilter(),
      tlsInspector(exceptOn(groups, needsTlsInspector)),
      httpInspector(exceptOn(groups, needsHttpInspector)),
    ],
    continueOnListenerFiltersTimeout: true,
    listenerFiltersTimeout: duration(DETECTION_TIMEOUT_MS),
    filterChains: groups.flatMap(({ chains }) => chains),
  });
  return generated(
    message,
    groups.flatMap(({ refs }) => refs),
  );
}

const onPort = (chain: ChainInit, port: number): ChainInit => ({
  ...chain,
  filterChainMatch: { ...chain.filterChainMatch, destinationPort: port },
});

/** Whoever dials this port itself would be passed on to this port, again and again. */
const loopGuard = ({ snapshot }: GeneratorContext): PortGroup => ({
  port: INBOUND_CAPTURE_PORT,
  chains: [
    onPort(
      {
        name: `${VIRTUAL_INBOUND}-blackhole`,
        filters: [tcpProxy(snapshot.mesh, BLACK_HOLE_CLUSTER, [{ name: BLACK_HOLE_CLUSTER, weight: 1 }])],
      },
      INBOUND_CAPTURE_PORT,
    ),
  ],
  refs: [],
});

/** Ports that nobody declared, whatever they speak. @param port one of them that policy names. */
function undeclared(context: GeneratorContext, port: number | undefined): PortGroup {
  const cluster = INBOUND_PASSTHROUGH_CLUSTER;
  const { mode, refs } = peerMode(context.snapshot, context.proxy, port ?? 0);
  const http = httpAuthorization(context, undefined);
  const tcp = networkAuthorization(context, undefined);
  const limits = limitFilters(context, 'inbound', port ?? 0);
  const undeclaredPort = { number: port, services: [] };
  const denials = { http: httpDenials(context, undeclaredPort), tcp: networkDenials(context, undeclaredPort) };
  const stacks: Stacks = {
    http: () => [
      httpConnectionManager(context, {
        side: 'inbound',
        statPrefix: cluster,
        routes: toApplication(cluster, 'inbound|http|0', ':0/*', limits.rateLimits),
        authorization: [...denials.http.filters, ...http.filters],
        limits: limits.filters,
      }),
    ],
    tcp: () => [
      ...denials.tcp.filters,
      ...tcp.filters,
      tcpProxy(context.snapshot.mesh, cluster, [{ name: cluster, weight: 1 }]),
    ],
  };
  const name = port === undefined ? `${VIRTUAL_INBOUND}-catchall` : `${VIRTUAL_INBOUND}-${port}`;
  const chains = chainsOf(mode, { name, protocol: 'auto' }, stacks, context);
  return {
    port,
    chains: port === undefined ? chains : chains.map((chain) => onPort(chain, port)),
    refs: [...refs, ...http.refs, ...denials.http.refs],
  };
}

type Predicate = Init<typeof ListenerFilterChainMatchPredicateSchema>;

/** Where nothing depends on the first bytes they are not waited for: the server may be the one who speaks first. */
function exceptOn(groups: readonly PortGroup[], needs: (chain: ChainInit) => boolean): Predicate | undefined {
  const rules = groups
    .filter(({ chains }) => !chains.some(needs))
    .flatMap(({ port }) => (port === undefined ? [] : [port]))
    .map((start): Predicate => ({ rule: { case: 'destinationPortRange', value: { start, end: start + 1 } } }));
  return rules.length < 2 ? rules[0] : { rule: { case: 'orMatch', value: { rules } } };
}

const originalDestinationFilter = (): ListenerFilter =>
  create(ListenerFilterSchema, {
    name: 'envoy.filters.listener.original_dst',
    configType: { case: 'typedConfig', value: pack(OriginalDstSchema) },
  });
