import { create } from '@bufbuild/protobuf';
import { FilterSchema, type Filter } from '@weft/contracts/full/envoy/config/listener/v3/listener_components';
import { TcpProxySchema } from '@weft/contracts/full/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy';
import type { MeshOptions } from '../options.ts';
import { accessLogs } from './access-log.ts';
import { duration, pack } from './envoy.ts';

export interface WeightedName {
  readonly name: string;
  readonly weight: number;
}

/** The terminal filter of every TCP chain. @param targets at least one; a single one takes everything whatever it weighs. */
export function tcpProxy(
  mesh: MeshOptions,
  statPrefix: string,
  targets: readonly WeightedName[],
  idleMs?: number,
  hashSourceIp = false,
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
        ...(hashSourceIp ? { hashPolicy: [{ policySpecifier: { case: 'sourceIp', value: {} } }] } : {}),
      }),
    },
  });
}
