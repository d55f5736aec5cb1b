/** Where a sidecar takes calls to its workload. */
import { create } from '@bufbuild/protobuf';
import { listenerName } from '@weft/contracts';
import { TrafficDirection } from '@weft/contracts/full/envoy/config/core/v3/base';
import { ListenerSchema } from '@weft/contracts/full/envoy/config/listener/v3/listener';
import type { GeneratorContext } from './context.ts';
import { duration, socketAddress } from './envoy.ts';
import { portChains, servicesMetadata } from './inbound-chains.ts';
import { inboundPorts, type InboundPort } from './inbound-plan.ts';
import { DETECTION_TIMEOUT_MS, listenerFilters } from './listener-parts.ts';
import { generated, type GeneratedListener } from './resource.ts';
import { virtualInbound } from './virtual-inbound.ts';

/** A listener for each port; where calls are redirected, one for all but those that a Sidecar wants bound. */
export function buildInboundListeners(context: GeneratorContext): readonly GeneratedListener[] {
  const ports = inboundPorts(context);
  const bound = ports.filter(({ captured }) => !captured).map((port) => inboundListener(context, port));
  if (context.proxy.type !== 'sidecar' || context.proxy.interception.mode !== 'redirect') return bound;
  return [
    virtualInbound(
      context,
      ports.filter(({ captured }) => captured),
    ),
    ...bound,
  ];
}

function inboundListener(context: GeneratorContext, port: InboundPort): GeneratedListener {
  const { chains, connections, refs } = portChains(context, port);
  const message = create(ListenerSchema, {
    name: listenerName(port.bind, port.listenPort),
    address: socketAddress(port.bind, port.listenPort),
    trafficDirection: TrafficDirection.INBOUND,
    bindToPort: true,
    listenerFilters: listenerFilters(chains),
    ...(chains.length > 1
      ? { continueOnListenerFiltersTimeout: true, listenerFiltersTimeout: duration(DETECTION_TIMEOUT_MS) }
      : {}),
    filterChains: [...chains],
    metadata: { filterMetadata: { ...servicesMetadata(port).filterMetadata, ...connections?.filterMetadata } },
  });
  return generated(message, refs);
}
