import type { TcpProxy } from '@weft/contracts/lean/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy';
import { ConfigRejectedError } from '@weft/evaluator';
import type { TcpProxySettings } from '../filters/network/tcp-proxy.ts';
import type { AccessLogs } from '../ports.ts';
import { isHost } from '../http1/framing.ts';
import { millisOr } from './durations.ts';

const DEFAULT_IDLE_TIMEOUT_MS = 3_600_000;

/** @throws {ConfigRejectedError} */
export function compileTcpProxy(
  message: TcpProxy,
  accessLogs: AccessLogs | undefined,
  resource: string,
): TcpProxySettings {
  const { clusterSpecifier } = message;
  return {
    clusters: clustersOf(clusterSpecifier, resource),
    idleTimeoutMs: millisOr(message.idleTimeout, DEFAULT_IDLE_TIMEOUT_MS),
    hashSourceIp: hashesSourceIp(message, resource),
    tunnel: tunnelOf(message, resource),
    maxDurationMs: millisOr(message.maxDownstreamConnectionDuration, 0),
    maxConnectAttempts: Math.max(1, message.maxConnectAttempts ?? 1),
    accessLog: accessLogs?.create(message.accessLog, resource),
  };
}

function tunnelOf({ tunnelingConfig }: TcpProxy, resource: string): TcpProxySettings['tunnel'] {
  if (tunnelingConfig === undefined) return undefined;
  const { hostname, usePost, headersToAdd } = tunnelingConfig;
  if (!isHost(hostname) || !/:\d+$/.test(hostname))
    throw new ConfigRejectedError(resource, `tunneling_config.hostname: "${hostname}" is not host:port`);
  if (headersToAdd.length > 0)
    throw new ConfigRejectedError(resource, 'tunneling_config.headers_to_add is not supported');
  return { target: hostname, method: usePost ? 'POST' : 'CONNECT' };
}

function hashesSourceIp({ hashPolicy }: TcpProxy, resource: string): boolean {
  if (hashPolicy.some(({ policySpecifier }) => policySpecifier.case !== 'sourceIp'))
    throw new ConfigRejectedError(resource, 'tcp_proxy.hash_policy: only source_ip is supported');
  return hashPolicy.length > 0;
}

function clustersOf(specifier: TcpProxy['clusterSpecifier'], resource: string): TcpProxySettings['clusters'] {
  switch (specifier.case) {
    case 'cluster':
      return [{ name: specifier.value, weight: 1 }];
    case 'weightedClusters': {
      const clusters = specifier.value.clusters.map(({ name, weight }) => ({ name, weight }));
      if (clusters.every(({ weight }) => weight === 0))
        throw new ConfigRejectedError(resource, 'weighted_clusters: the weights sum to 0');
      return clusters;
    }
    case undefined:
      throw new ConfigRejectedError(resource, 'tcp_proxy: no cluster is set');
  }
}
