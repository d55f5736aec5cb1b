import type { TransportSocketSchema } from '@weft/contracts/full/envoy/config/core/v3/base';
import { ProxyProtocolConfig_Version } from '@weft/contracts/full/envoy/config/core/v3/proxy_protocol';
import { ProxyProtocolUpstreamTransportSchema } from '@weft/contracts/full/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol';
import type { EffectivePolicy } from '../snapshot/destination-rules.ts';
import type { ClusterInit } from './cluster-policy.ts';
import { pack, type Init } from './envoy.ts';
import { rawBuffer } from './tls.ts';

type TransportInit = Init<typeof TransportSocketSchema> | ReturnType<typeof rawBuffer>;

/** Every connection begins with the PROXY header, whatever it speaks then. */
export function withProxyHeader(transports: ClusterInit, policy: EffectivePolicy['proxyProtocol']): ClusterInit {
  if (!policy) return transports;
  const version = policy.version === 'V2' ? ProxyProtocolConfig_Version.V2 : ProxyProtocolConfig_Version.V1;
  const wrap = (transportSocket: TransportInit): TransportInit => ({
    name: 'envoy.transport_sockets.upstream_proxy_protocol',
    configType: {
      case: 'typedConfig',
      value: pack(ProxyProtocolUpstreamTransportSchema, { config: { version }, transportSocket }),
    },
  });
  const { transportSocket, transportSocketMatches } = transports;
  if (!transportSocketMatches) return { transportSocket: wrap(transportSocket ?? rawBuffer()) };
  return {
    transportSocketMatches: transportSocketMatches.map((match) => ({
      name: match.name ?? '',
      match: match.match ?? {},
      transportSocket: wrap(match.transportSocket ?? rawBuffer()),
    })),
  };
}
