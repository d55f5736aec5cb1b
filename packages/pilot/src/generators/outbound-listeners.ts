/** A sidecar's listeners for its workload's own calls. */
import { create } from '@bufbuild/protobuf';
import { BLACK_HOLE_CLUSTER, listenerName } from '@weft/contracts';
import { TrafficDirection } from '@weft/contracts/full/envoy/config/core/v3/base';
import { ListenerSchema } from '@weft/contracts/full/envoy/config/listener/v3/listener';
import type { SourceRef } from '../config-store/config-object.ts';
import { isTls } from '../model/protocol.ts';
import type { GeneratorContext } from './context.ts';
import { duration, socketAddress } from './envoy.ts';
import { httpConnectionManager } from './http-connection-manager.ts';
import { DETECTION_TIMEOUT_MS, listenerFilters, PLAIN_HTTP, type ChainInit } from './listener-parts.ts';
import { planOutbound, type OutboundListener, type OutboundTarget } from './outbound-plan.ts';
import { generated, type GeneratedListener } from './resource.ts';
import { tcpProxy } from './tcp-proxy.ts';
import { tcpPrefix, tcpTargets } from './tcp-routes.ts';
import { tlsRoutes } from './tls-routes.ts';

/** Listeners that programs dial. */
export function buildOutboundListeners(context: GeneratorContext): readonly GeneratedListener[] {
  return planOutbound(context).map((listener) => outboundListener(context, listener));
}

function outboundListener(context: GeneratorContext, listener: OutboundListener): GeneratedListener {
  const name = listenerName(listener.bind, listener.port);
  const sidecar = context.scope.sidecar;
  const { chains, fallback, refs } =
    listener.kind === 'tcp' ? tcpChains(context, listener.target) : httpChain(context, listener, name);
  const message = create(ListenerSchema, {
    name,
    address: socketAddress(listener.bind, listener.port),
    trafficDirection: TrafficDirection.OUTBOUND,
    // Nothing redirects to these: programs dial them.
    bindToPort: true,
    filterChains: [...chains],
    ...(fallback
      ? {
          defaultFilterChain: fallback,
          listenerFilters: listenerFilters(chains),
          continueOnListenerFiltersTimeout: true,
          listenerFiltersTimeout: duration(DETECTION_TIMEOUT_MS),
        }
      : {}),
  });
  return generated(message, [...refs, ...(sidecar ? [sidecar.ref] : [])]);
}

interface Chains {
  readonly chains: readonly ChainInit[];
  /** For connections that none of them is for. */
  readonly fallback?: ChainInit;
  readonly refs: readonly SourceRef[];
}

function httpChain(
  context: GeneratorContext,
  listener: Exclude<OutboundListener, { kind: 'tcp' }>,
  name: string,
): Chains {
  const filters = [
    httpConnectionManager(context, {
      side: listener.hosts === 'proxy' ? 'http-proxy' : 'outbound',
      statPrefix: `outbound_${name}`,
      routes: listener.routeName,
      grpcWeb: listener.hosts !== 'proxy' && listener.targets.some(({ port }) => port.protocol === 'grpc-web'),
    }),
  ];
  const refs = listener.hosts === 'proxy' ? [] : listener.targets.flatMap(({ service }) => service.refs);
  if (listener.kind === 'http') return { chains: [{ name, filters }], refs };
  const tcp = tcpChain(context, listener.targets[0]);
  return {
    chains: [{ name: `${name}_http`, filterChainMatch: PLAIN_HTTP, filters }],
    fallback: { ...tcp.chain, name: `${name}_tcp` },
    refs: [...refs, ...tcp.refs],
  };
}

/** TLS is told apart by the name in it, where routes do; the rest goes to the service that was dialled. */
function tcpChains(context: GeneratorContext, target: OutboundTarget | undefined): Chains {
  const { chain, refs } = tcpChain(context, target);
  const routes = target && isTls(target.port.protocol) ? tlsRoutes(context, target) : undefined;
  if (!routes || routes.chains.length === 0) return { chains: [chain], refs };
  return { chains: routes.chains, fallback: chain, refs: [...refs, ...routes.refs] };
}

interface TcpChain {
  readonly chain: ChainInit;
  readonly refs: readonly SourceRef[];
}

/** A service that is not imported has no way through: without interception there is no original destination to pass to. */
function tcpChain(context: GeneratorContext, target: OutboundTarget | undefined): TcpChain {
  const { mesh } = context.snapshot;
  if (!target)
    return {
      chain: {
        name: BLACK_HOLE_CLUSTER,
        filters: [tcpProxy(mesh, BLACK_HOLE_CLUSTER, [{ name: BLACK_HOLE_CLUSTER, weight: 1 }])],
      },
      refs: [],
    };
  const { targets, policy, refs } = tcpTargets(context, target);
  const prefix = tcpPrefix(target);
  return {
    chain: { name: prefix, filters: [tcpProxy(mesh, prefix, targets, policy)] },
    refs: [...target.service.refs, ...refs],
  };
}
