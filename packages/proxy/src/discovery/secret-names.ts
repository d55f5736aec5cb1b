/** Which secrets the TLS settings of a resource name. */
import { fromBinary } from '@bufbuild/protobuf';
import type { Cluster } from '@weft/contracts/lean/envoy/config/cluster/v3/cluster';
import type { TransportSocket } from '@weft/contracts/lean/envoy/config/core/v3/base';
import type { Listener } from '@weft/contracts/lean/envoy/config/listener/v3/listener';
import { ProxyProtocolUpstreamTransportSchema } from '@weft/contracts/lean/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol';
import type { SdsSecretConfig } from '@weft/contracts/lean/envoy/extensions/transport_sockets/tls/v3/secret';
import {
  type CommonTlsContext,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from '@weft/contracts/lean/envoy/extensions/transport_sockets/tls/v3/tls';
import { SECRET_DEFAULT, SECRET_ROOT } from '@weft/contracts';
import { typeNameOf } from '../runtime/any.ts';
import { namesFile } from '../secrets/named-files.ts';
import type { WantedSecrets } from '../secrets/secret-intake.ts';

export function secretsOfListener(listener: Listener): WantedSecrets {
  const chains = [...listener.filterChains, ...(listener.defaultFilterChain ? [listener.defaultFilterChain] : [])];
  return namesIn(chains.map(({ transportSocket }) => transportSocket));
}

export const secretsOfCluster = (cluster: Cluster): WantedSecrets =>
  namesIn([cluster.transportSocket, ...cluster.transportSocketMatches.map(({ transportSocket }) => transportSocket)]);

function namesIn(sockets: readonly (TransportSocket | undefined)[]): WantedSecrets {
  const [files, served] = [new Set<string>(), new Set<string>()];
  for (const socket of sockets) {
    for (const { name, sdsConfig } of configsOf(readCommon(socket))) {
      // The workload's own are never somebody else's to serve.
      if (name === SECRET_DEFAULT || name === SECRET_ROOT) continue;
      if (namesFile(name)) files.add(name);
      else if (sdsConfig?.configSourceSpecifier.case === 'ads') served.add(name);
    }
  }
  return files.size + served.size === 0 ? NONE : { files, served };
}

const NONE: WantedSecrets = { files: new Set(), served: new Set() };

function readCommon(socket: TransportSocket | undefined): CommonTlsContext | undefined {
  try {
    return commonOf(socket);
  } catch {
    // Whoever compiles the resource refuses it.
    return undefined;
  }
}

function commonOf(socket: TransportSocket | undefined): CommonTlsContext | undefined {
  if (socket?.configType.case !== 'typedConfig') return undefined;
  const { typeUrl, value } = socket.configType.value;
  switch (typeNameOf(typeUrl)) {
    case UpstreamTlsContextSchema.typeName:
      return fromBinary(UpstreamTlsContextSchema, value).commonTlsContext;
    case DownstreamTlsContextSchema.typeName:
      return fromBinary(DownstreamTlsContextSchema, value).commonTlsContext;
    case ProxyProtocolUpstreamTransportSchema.typeName:
      return commonOf(fromBinary(ProxyProtocolUpstreamTransportSchema, value).transportSocket);
    default:
      return undefined;
  }
}

function configsOf(common: CommonTlsContext | undefined): SdsSecretConfig[] {
  if (common === undefined) return [];
  const { validationContextType: validation } = common;
  const roots =
    validation.case === 'validationContextSdsSecretConfig'
      ? validation.value
      : validation.case === 'combinedValidationContext'
        ? validation.value.validationContextSdsSecretConfig
        : undefined;
  return [...common.tlsCertificateSdsSecretConfigs, ...(roots === undefined ? [] : [roots])];
}
