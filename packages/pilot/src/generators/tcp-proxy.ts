import { create } from '@bufbuild/protobuf';
import { FilterSchema, type Filter } from '@weft/contracts/full/envoy/config/listener/v3/listener_components';
import { TcpProxySchema } from '@weft/contracts/full/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy';
import type { MeshOptions } from '../options.ts';
import { durationMs } from '../model/duration.ts';
import type { EffectivePolicy } from '../snapshot/destination-rules.ts';
import { accessLogs } from './access-log.ts';
import { duration, pack } from './envoy.ts';

export interface WeightedName {
  readonly name: string;
  readonly weight: number;
}

/** What a destination's policy says of connections as a whole. */
export interface TcpPolicy {
  readonly idleMs?: number | undefined;
  readonly maxDurationMs?: number | undefined;
  /** A caller's address decides which instance it gets. */
  readonly hashSourceIp?: boolean;
  /** The destination is a proxy that is asked for a way to somewhere else. */
  readonly tunnel?: EffectivePolicy['tunnel'];
}

export const tcpPolicy = ({ connectionPool, loadBalancer, tunnel }: EffectivePolicy): TcpPolicy => ({
  idleMs: durationMs(connectionPool?.tcp?.idleTimeout),
  maxDurationMs: durationMs(connectionPool?.tcp?.maxConnectionDuration),
  hashSourceIp: loadBalancer?.consistentHash?.useSourceIp === true,
  tunnel,
});

/** The terminal filter of every TCP chain. @param targets at least one; a single one takes everything whatever it weighs. */
export function tcpProxy(
  mesh: MeshOptions,
  statPrefix: string,
  targets: readonly WeightedName[],
  { idleMs, maxDurationMs, hashSourceIp = false, tunnel }: TcpPolicy = {},
): Filter {
  const [only, ...others] = targets;
  return create(FilterSchema, {
    name: 'envoy.filters.network.tcp_proxy',
    configType: {
      case: 'typedConfig',
      value: pack(TcpProxySchema, {
        statPrefix: `${statPrefix};`,
        clusterSpecifier:
          only && others.length === 0
            ? { case: 'cluster', value: only.name }
            : {
                case: 'weightedClusters',
                value: {
                  clusters: targets.filter((target) => target.weight > 0).map(({ name, weight }) => ({ name, weight })),
                },
              },
        accessLog: accessLogs(mesh),
        ...(idleMs === undefined ? {} : { idleTimeout: duration(idleMs) }),
        ...(maxDurationMs === undefined ? {} : { maxDownstreamConnectionDuration: duration(maxDurationMs) }),
        ...(tunnel ? { tunnelingConfig: tunnelingConfig(tunnel) } : {}),
        ...(hashSourceIp ? { hashPolicy: [{ policySpecifier: { case: 'sourceIp', value: {} } }] } : {}),
      }),
    },
  });
}

const tunnelingConfig = ({ protocol, targetHost, targetPort }: NonNullable<TcpPolicy['tunnel']>) => ({
  hostname: `${targetHost.includes(':') ? `[${targetHost}]` : targetHost}:${targetPort}`,
  usePost: protocol?.toUpperCase() === 'POST',
});
