/** Listeners for a workload's own calls where they are redirected: `virtualOutbound` takes them all and hands over to the others. */
import { create } from '@bufbuild/protobuf';
import {
  BLACK_HOLE_CLUSTER,
  listenerName,
  OUTBOUND_CAPTURE_PORT,
  PASSTHROUGH_CLUSTER,
  VIRTUAL_OUTBOUND,
} from '@weft/contracts';
import { CidrRangeSchema, type CidrRange } from '@weft/contracts/full/envoy/config/core/v3/address';
import { TrafficDirection } from '@weft/contracts/full/envoy/config/core/v3/base';
import { ListenerSchema } from '@weft/contracts/full/envoy/config/listener/v3/listener';
import type { SourceRef } from '../config-store/config-object.ts';
import { planCaptured, WILDCARD, type CapturedListener, type TcpBranch } from './captured-plan.ts';
import type { GeneratorContext } from './context.ts';
import { duration, socketAddress } from './envoy.ts';
import { httpConnectionManager } from './http-connection-manager.ts';
import { DETECTION_TIMEOUT_MS, httpInspector, PLAIN_HTTP, tlsInspector, type ChainInit } from './listener-parts.ts';
import { tcpPrefix, tcpTargetsBySubnet } from './tcp-routes.ts';
import { generated, type GeneratedListener } from './resource.ts';
import { tcpProxy } from './tcp-proxy.ts';

export function buildCapturedListeners(context: GeneratorContext): readonly GeneratedListener[] {
  if (context.proxy.type !== 'sidecar' || context.proxy.interception.mode !== 'redirect') return [];
  return [virtualOutbound(context), ...planCaptured(context).map((listener) => capturedListener(context, listener))];
}

/** What has no listener of its own goes where it was going, or nowhere. */
function virtualOutbound(context: GeneratorContext): GeneratedListener {
  const { mesh } = context.snapshot;
  const { sidecar } = context.scope;
  const message = create(ListenerSchema, {
    name: VIRTUAL_OUTBOUND,
    address: socketAddress(WILDCARD, OUTBOUND_CAPTURE_PORT),
    trafficDirection: TrafficDirection.OUTBOUND,
    useOriginalDst: true,
    filterChains: [
      {
        // Whoever dials this port itself would be passed on to this port, again and again.
        name: `${VIRTUAL_OUTBOUND}-blackhole`,
        filterChainMatch: { destinationPort: OUTBOUND_CAPTURE_PORT },
        filters: [tcpProxy(mesh, BLACK_HOLE_CLUSTER, [{ name: BLACK_HOLE_CLUSTER, weight: 1 }])],
      },
      { ...unknownChain(context), name: `${VIRTUAL_OUTBOUND}-catchall-tcp` },
    ],
  });
  return generated(message, sidecar ? [sidecar.ref] : []);
}

/** Bytes for nobody that is known, by `outboundTrafficPolicy`. */
function unknownChain({ snapshot, scope }: GeneratorContext): ChainInit {
  const cluster = scope.unknownTraffic === 'ALLOW_ANY' ? PASSTHROUGH_CLUSTER : BLACK_HOLE_CLUSTER;
  return {
    name: 'PassthroughFilterChain',
    filters: [tcpProxy(snapshot.mesh, cluster, [{ name: cluster, weight: 1 }])],
  };
}

function capturedListener(context: GeneratorContext, { bind, port, http, tcp }: CapturedListener): GeneratedListener {
  const name = listenerName(bind, port);
  const { sidecar } = context.scope;
  const refs: SourceRef[] = sidecar ? [sidecar.ref] : [];
  const chains: ChainInit[] = [];
  let rest: ChainInit | undefined;
  const taken = new Set<string>();
  for (const branch of tcp) {
    const prefix = tcpPrefix(branch.target);
    refs.push(...branch.target.service.refs);
    for (const [index, route] of tcpTargetsBySubnet(context, branch.target).entries()) {
      refs.push(...route.refs);
      // Two chains for one range would be refused: the first route that names it has it.
      const key = (range: string): string => [range, ...branch.serverNames].join(' ');
      const wanted = route.subnets.length === 0 ? branch.ranges : route.subnets;
      const ranges = wanted.filter((range) => !taken.has(key(range)));
      if (wanted.length > 0 && ranges.length === 0) continue;
      for (const range of ranges) taken.add(key(range));
      const match = matchOf({ ...branch, ranges });
      const filters = [tcpProxy(context.snapshot.mesh, prefix, route.targets, route.policy)];
      if (match) chains.push({ name: index === 0 ? prefix : `${prefix}_${index}`, filterChainMatch: match, filters });
      else rest = { name: prefix, filters };
    }
  }
  if (http) {
    refs.push(...http.targets.flatMap(({ service }) => service.refs));
    const filters = [
      httpConnectionManager(context, { side: 'outbound', statPrefix: `outbound_${name}`, routes: http.routeName }),
    ];
    chains.push({ name: `${name}_http`, filterChainMatch: PLAIN_HTTP, filters });
  }
  const inspectors = [
    ...(tcp.some(({ serverNames }) => serverNames.length > 0) ? [tlsInspector()] : []),
    ...(http ? [httpInspector()] : []),
  ];
  const message = create(ListenerSchema, {
    name,
    address: socketAddress(bind, port),
    trafficDirection: TrafficDirection.OUTBOUND,
    bindToPort: false,
    // One chain that takes everything needs nobody to fall back to.
    ...(chains.length === 0 && rest
      ? { filterChains: [rest] }
      : { filterChains: chains, defaultFilterChain: rest ?? unknownChain(context) }),
    ...(inspectors.length > 0
      ? {
          listenerFilters: inspectors,
          continueOnListenerFiltersTimeout: true,
          listenerFiltersTimeout: duration(DETECTION_TIMEOUT_MS),
        }
      : {}),
  });
  return generated(message, refs);
}

function matchOf({ ranges, serverNames }: TcpBranch): ChainInit['filterChainMatch'] | undefined {
  if (ranges.length === 0 && serverNames.length === 0) return undefined;
  return {
    prefixRanges: ranges.map(cidr),
    serverNames: [...serverNames],
    ...(serverNames.length > 0 ? { transportProtocol: 'tls' } : {}),
  };
}

function cidr(text: string): CidrRange {
  const [addressPrefix = '', length = ''] = text.split('/');
  const whole = addressPrefix.includes(':') ? 128 : 32;
  return create(CidrRangeSchema, { addressPrefix, prefixLen: length === '' ? whole : Number(length) });
}
