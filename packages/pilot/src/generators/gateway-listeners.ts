import { create } from '@bufbuild/protobuf';
import { listenerName } from '@weft/contracts';
import { TrafficDirection } from '@weft/contracts/full/envoy/config/core/v3/base';
import { ListenerSchema } from '@weft/contracts/full/envoy/config/listener/v3/listener';
import { httpAuthorization } from './authorization-filters.ts';
import { parseProtocol } from '../model/protocol.ts';
import type { GeneratorContext } from './context.ts';
import { socketAddress } from './envoy.ts';
import { planGateway } from './gateway-plan.ts';
import { httpConnectionManager } from './http-connection-manager.ts';
import { proxyProtocol } from './listener-parts.ts';
import { connectionLimit, connectionMetadata, listenerLimits } from './listener-limits.ts';
import { limitFilters } from './local-rate-limit.ts';
import { generated, type GeneratedListener } from './resource.ts';

/** One HTTP listener per address and port, whatever number of Gateways share it. */
export function buildGatewayListeners(context: GeneratorContext): readonly GeneratedListener[] {
  return planGateway(context).map((listener) => {
    const name = listenerName(listener.bind, listener.port);
    const authorization = httpAuthorization(context, { number: listener.gatewayPort, listenPort: listener.port });
    const limits = limitFilters(context, 'gateway', listener.gatewayPort);
    const clients = listenerLimits(context, listener.gatewayPort);
    const metadata = connectionMetadata(clients, true);
    const message = create(ListenerSchema, {
      name,
      address: socketAddress(listener.bind, listener.port),
      trafficDirection: TrafficDirection.OUTBOUND,
      bindToPort: true,
      listenerFilters: context.snapshot.mesh.gatewayTopology.proxyProtocol ? [proxyProtocol()] : [],
      ...(metadata ? { metadata } : {}),
      filterChains: [
        {
          name,
          filters: [
            ...connectionLimit(clients, name),
            httpConnectionManager(context, {
              side: 'gateway',
              statPrefix: `outbound_${name}`,
              routes: listener.routeName,
              authorization: authorization.filters,
              limits: limits.filters,
              clients,
              grpcWeb: listener.servers.some(({ server }) => parseProtocol(server.port.protocol ?? '') === 'grpc-web'),
            }),
          ],
        },
      ],
    });
    return generated(message, [
      ...listener.servers.map(({ gateway }) => gateway.ref),
      ...authorization.refs,
      ...limits.refs,
      ...clients.refs,
    ]);
  });
}
