// Listeners and clusters of two sidecars that speak mutual TLS, as a control plane of the mesh generates them.
import { fromJson, type JsonObject, type JsonValue, toBinary } from '@bufbuild/protobuf';
import { type Cluster, ClusterSchema } from '@weft/contracts/full/envoy/config/cluster/v3/cluster';
import { type Listener, ListenerSchema } from '@weft/contracts/full/envoy/config/listener/v3/listener';
import { FileAccessLogSchema } from '@weft/contracts/full/envoy/extensions/access_loggers/file/v3/file';
import { RouterSchema } from '@weft/contracts/full/envoy/extensions/filters/http/router/v3/router';
import {
  type HttpConnectionManager,
  HttpConnectionManagerSchema,
} from '@weft/contracts/full/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import {
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from '@weft/contracts/full/envoy/extensions/transport_sockets/tls/v3/tls';
import { anyOf, packed } from './control-plane.ts';

const ADS: JsonValue = { ads: {}, resourceApiVersion: 'V3' };
const CERTIFICATE: JsonValue = [{ name: 'default', sdsConfig: ADS }];
const ROOTS: JsonValue = { name: 'ROOTCA', sdsConfig: ADS };
const typed = <T>(value: T) => ({ case: 'typedConfig' as const, value });

/** A connection manager with a router, an access log and traces of all requests. */
export function connectionManager(routes: JsonObject, accessLog = '/dev/stdout'): HttpConnectionManager {
  const hcm = fromJson(HttpConnectionManagerSchema, {
    statPrefix: 'test',
    tracing: {},
    httpFilters: [{ name: 'envoy.filters.http.router' }],
    accessLog: [{ name: 'file' }],
    ...routes,
  });
  for (const filter of hcm.httpFilters) filter.configType = typed(anyOf(RouterSchema, {}));
  for (const log of hcm.accessLog) log.configType = typed(anyOf(FileAccessLogSchema, { path: accessLog }));
  return hcm;
}

export function listenerOf(
  name: string,
  port: number,
  direction: 'INBOUND' | 'OUTBOUND',
  hcm: HttpConnectionManager,
): Listener {
  const listener = fromJson(ListenerSchema, {
    name,
    address: { socketAddress: { address: '127.0.0.1', portValue: port } },
    trafficDirection: direction,
    filterChains: [{ filters: [{ name: 'hcm' }] }],
  });
  const filter = listener.filterChains[0]?.filters[0];
  if (filter !== undefined) filter.configType = typed(packed(HttpConnectionManagerSchema, hcm));
  return listener;
}

/** Only callers with a certificate of the mesh. */
export function withMutualTls(listener: Listener): Uint8Array {
  const tls = anyOf(DownstreamTlsContextSchema, {
    requireClientCertificate: true,
    commonTlsContext: { tlsCertificateSdsSecretConfigs: CERTIFICATE, validationContextSdsSecretConfig: ROOTS },
  });
  const [chain] = listener.filterChains;
  if (chain !== undefined) {
    chain.transportSocket = { $typeName: 'envoy.config.core.v3.TransportSocket', name: 'tls', configType: typed(tls) };
  }
  return toBinary(ListenerSchema, listener);
}

/** A cluster that is reached by mutual TLS, whose servers must be `serverId`. */
export function secureCluster(json: JsonValue, serverId: string): Uint8Array {
  const cluster: Cluster = fromJson(ClusterSchema, json);
  const tls = anyOf(UpstreamTlsContextSchema, {
    sni: 'outbound_.9080_._.reviews.default.svc.cluster.local',
    commonTlsContext: {
      tlsCertificateSdsSecretConfigs: CERTIFICATE,
      combinedValidationContext: {
        defaultValidationContext: { matchTypedSubjectAltNames: [{ sanType: 'URI', matcher: { exact: serverId } }] },
        validationContextSdsSecretConfig: ROOTS,
      },
    },
  });
  cluster.transportSocket = { $typeName: 'envoy.config.core.v3.TransportSocket', name: 'tls', configType: typed(tls) };
  return toBinary(ClusterSchema, cluster);
}
