/** The configuration with which a real Envoy takes the place of a Weft proxy. Pure: the JSON form of Envoy's Bootstrap message. */
import { isIP } from 'node:net';
import { CONTROL_PLANE_SERVER_NAME, SECRET_DEFAULT, SECRET_ROOT } from '@weft/contracts';
import { LINUX_SOCKET, WeftError } from '@weft/kit';

export interface SocketAddress {
  /** An IP address. */
  readonly host: string;
  readonly port: number;
}

export interface EnvoyBootstrapOptions {
  /** `sidecar~127.66.3.1~reviews-v1.default~default.svc.cluster.local`. */
  readonly nodeId: string;
  /** `service-cluster`: shows in traces; the workload's service. */
  readonly cluster: string;
  /** NAMESPACE, SERVICE_ACCOUNT, LABELS and the rest: the control plane compares them with the certificate. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly locality?: { readonly region: string; readonly zone: string; readonly subZone: string };
  readonly xds: SocketAddress;
  /** SPIFFE id that the control plane must have. */
  readonly controlPlaneId: string;
  /** Unix socket where the agent serves `default` and `ROOTCA`. */
  readonly sdsSocket: string;
  /** A loopback address: Envoy's admin pages know no authentication. */
  readonly admin: SocketAddress;
  /** SO_MARK of its connections, by which redirect rules know them. */
  readonly socketMark?: number;
}

/** A JSON object of `envoy.config.bootstrap.v3.Bootstrap`. */
export type EnvoyBootstrap = Readonly<Record<string, unknown>>;

export const XDS_CLUSTER = 'xds-grpc';
export const SDS_CLUSTER = 'sds-grpc';

const TLS_TYPE = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
const HTTP_TYPE = 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** @throws {WeftError} WEFT_BOOTSTRAP when the admin address is reachable from elsewhere, or an address is no IP address. */
export function envoyBootstrap(options: EnvoyBootstrapOptions): EnvoyBootstrap {
  const { nodeId, cluster, metadata, locality, xds, admin } = options;
  for (const { host } of [xds, admin])
    if (isIP(host) === 0) throw new WeftError('WEFT_BOOTSTRAP', `"${host}" is not an IP address`);
  if (!admin.host.startsWith('127.') && admin.host !== '::1') {
    throw new WeftError('WEFT_BOOTSTRAP', `the admin address ${admin.host} is not a loopback address`);
  }
  return {
    node: {
      id: nodeId,
      cluster,
      metadata,
      ...(locality && { locality: { region: locality.region, zone: locality.zone, sub_zone: locality.subZone } }),
    },
    admin: { address: socketAddress(admin) },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: XDS_CLUSTER } }],
      },
      cds_config: ADS_SOURCE,
      lds_config: ADS_SOURCE,
    },
    ...(options.socketMark === undefined
      ? {}
      : { cluster_manager: { upstream_bind_config: marked(options.socketMark) } }),
    static_resources: { clusters: [xdsCluster(options), sdsCluster(options.sdsSocket)] },
    layered_runtime: {
      layers: [
        {
          name: 'weft',
          // Routes may hold long regular expressions; the linear-time engine bears them.
          static_layer: { 're2.max_program_size.error_level': 32_768 },
        },
        { name: 'admin', admin_layer: {} },
      ],
    },
    // Names of resources are long; the statistics carry them.
    stats_config: { use_all_default_tags: true },
  };
}

// No time limit: a proxy without its configuration waits, it does not start empty.
const ADS_SOURCE = { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' } as const;

function xdsCluster({ xds, controlPlaneId }: EnvoyBootstrapOptions): Record<string, unknown> {
  return {
    name: XDS_CLUSTER,
    type: 'STATIC',
    connect_timeout: '5s',
    load_assignment: endpointAt(XDS_CLUSTER, socketAddress(xds)),
    typed_extension_protocol_options: http2({ connection_keepalive: { interval: '30s', timeout: '10s' } }),
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: {
        '@type': TLS_TYPE,
        sni: CONTROL_PLANE_SERVER_NAME,
        common_tls_context: {
          alpn_protocols: ['h2'],
          tls_params: { tls_minimum_protocol_version: 'TLSv1_2', tls_maximum_protocol_version: 'TLSv1_3' },
          tls_certificate_sds_secret_configs: [sdsSecret(SECRET_DEFAULT)],
          combined_validation_context: {
            default_validation_context: {
              match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: controlPlaneId } }],
            },
            validation_context_sds_secret_config: sdsSecret(SECRET_ROOT),
          },
        },
      },
    },
  };
}

const marked = (mark: number): Record<string, unknown> => ({
  source_address: { address: '0.0.0.0', port_value: 0 },
  socket_options: [
    {
      description: 'SO_MARK',
      level: LINUX_SOCKET.SOL_SOCKET,
      name: LINUX_SOCKET.SO_MARK,
      int_value: mark,
      state: 'STATE_PREBIND',
    },
  ],
});

const sdsCluster = (path: string): Record<string, unknown> => ({
  name: SDS_CLUSTER,
  type: 'STATIC',
  connect_timeout: '1s',
  load_assignment: endpointAt(SDS_CLUSTER, { pipe: { path } }),
  typed_extension_protocol_options: http2({}),
});

const sdsSecret = (name: string): Record<string, unknown> => ({
  name,
  sds_config: {
    api_config_source: {
      api_type: 'GRPC',
      transport_api_version: 'V3',
      set_node_on_first_message_only: true,
      grpc_services: [{ envoy_grpc: { cluster_name: SDS_CLUSTER } }],
    },
    initial_fetch_timeout: '0s',
    resource_api_version: 'V3',
  },
});

const http2 = (options: Record<string, unknown>): Record<string, unknown> => ({
  ['envoy.extensions.upstreams.http.v3.HttpProtocolOptions']: {
    '@type': HTTP_TYPE,
    explicit_http_config: { http2_protocol_options: options },
  },
});

const socketAddress = ({ host, port }: SocketAddress): Record<string, unknown> => ({
  socket_address: { address: host, port_value: port },
});

const endpointAt = (name: string, address: Record<string, unknown>): Record<string, unknown> => ({
  cluster_name: name,
  endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
});
