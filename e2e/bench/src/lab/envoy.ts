/** Envoy with one worker: the pieces of its configuration that the scenarios put together, and its start. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from './lab.ts';
import { findEnvoy, MISSING, type FoundProgram } from './programs.ts';

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

const typed = (name: string, rest: object): object => ({
  '@type': `type.googleapis.com/envoy.extensions.${name}`,
  ...rest,
});
const address = (port: number): object => ({ socket_address: { address: '127.0.0.1', port_value: port } });
const NO_LIMIT = 1_000_000;

export interface EnvoyCluster {
  readonly name: string;
  readonly port: number;
  readonly http2?: boolean;
  /** mTLS with this certificate; `resume: false` makes a full handshake for every connection. */
  readonly tls?: Certificate & { readonly resume?: boolean };
}

export function cluster({ name, port, http2, tls }: EnvoyCluster): object {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    circuit_breakers: {
      thresholds: [{ max_connections: NO_LIMIT, max_pending_requests: NO_LIMIT, max_requests: NO_LIMIT }],
    },
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }] },
    ...(http2
      ? {
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': typed('upstreams.http.v3.HttpProtocolOptions', {
              explicit_http_config: { http2_protocol_options: {} },
            }),
          },
        }
      : {}),
    ...(tls
      ? {
          transport_socket: {
            name: 'envoy.transport_sockets.tls',
            typed_config: typed('transport_sockets.tls.v3.UpstreamTlsContext', {
              ...(tls.resume === false ? { max_session_keys: 0 } : {}),
              sni: 'backend',
              common_tls_context: commonTls(tls, http2 ? ['h2'] : ['http/1.1']),
            }),
          },
        }
      : {}),
  };
}

const commonTls = ({ certFile, keyFile, caFile }: Certificate, alpn: readonly string[]): object => ({
  tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
  alpn_protocols: alpn,
  tls_certificates: [{ certificate_chain: { filename: certFile }, private_key: { filename: keyFile } }],
  validation_context: { trusted_ca: { filename: caFile } },
});

export interface EnvoyHttpListener {
  readonly port: number;
  readonly cluster: string;
  readonly mtls?: Certificate;
  /** HTTP filters before the router. */
  readonly filters?: readonly object[];
  readonly tracing?: object;
  readonly routes?: readonly object[];
}

export function httpListener(options: EnvoyHttpListener): object {
  const { port, cluster: to, mtls, filters = [], tracing, routes = [] } = options;
  return {
    address: address(port),
    filter_chains: [
      {
        ...(mtls ? { transport_socket: downstreamTls(mtls, ['h2', 'http/1.1']) } : {}),
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: typed('filters.network.http_connection_manager.v3.HttpConnectionManager', {
              stat_prefix: 'bench',
              ...(tracing ? { tracing } : {}),
              route_config: {
                virtual_hosts: [
                  {
                    name: 'all',
                    domains: ['*'],
                    routes: [...routes, { match: { prefix: '/' }, route: { cluster: to, timeout: '0s' } }],
                  },
                ],
              },
              http_filters: [
                ...filters,
                { name: 'envoy.filters.http.router', typed_config: typed('filters.http.router.v3.Router', {}) },
              ],
            }),
          },
        ],
      },
    ],
  };
}

export function tcpListener(port: number, to: string, mtls?: Certificate): object {
  return {
    address: address(port),
    filter_chains: [
      {
        ...(mtls ? { transport_socket: downstreamTls(mtls, []) } : {}),
        filters: [
          {
            name: 'envoy.filters.network.tcp_proxy',
            typed_config: typed('filters.network.tcp_proxy.v3.TcpProxy', { stat_prefix: 'bench', cluster: to }),
          },
        ],
      },
    ],
  };
}

const downstreamTls = (certificate: Certificate, alpn: readonly string[]): object => ({
  name: 'envoy.transport_sockets.tls',
  typed_config: typed('transport_sockets.tls.v3.DownstreamTlsContext', {
    require_client_certificate: true,
    common_tls_context: commonTls(certificate, alpn),
  }),
});

/** ALLOW rules by principal and path, of which the last one matches. */
export function rbacFilter(principal: string, rules: number): object {
  const policy = (path: string, name: string): object => ({
    permissions: [{ url_path: { path: { prefix: path } } }],
    principals: [{ authenticated: { principal_name: { exact: name } } }],
  });
  const policies = Object.fromEntries(
    Array.from({ length: rules }, (_, index) =>
      index === rules - 1
        ? ['last', policy('/', principal)]
        : [`rule-${index}`, policy(`/no-such-${index}`, `${principal}-${index}`)],
    ),
  );
  return {
    name: 'envoy.filters.http.rbac',
    typed_config: typed('filters.http.rbac.v3.RBAC', { rules: { action: 'ALLOW', policies } }),
  };
}

/** One in a hundred, to a collector that is a cluster of the same Envoy. */
export const zipkinTracing = (collector: string): object => ({
  random_sampling: { value: 1 },
  provider: {
    name: 'envoy.tracers.zipkin',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.config.trace.v3.ZipkinConfig',
      collector_cluster: collector,
      collector_endpoint: '/2',
      collector_endpoint_version: 'HTTP_JSON',
    },
  },
});

/** @returns undefined, and notes it, where there is no Envoy. */
export function envoyIn(lab: Lab): FoundProgram | undefined {
  const found = findEnvoy();
  if (found === undefined) lab.missing.add(MISSING.envoy);
  return found;
}

/** @returns its process id. */
export function startEnvoy(lab: Lab, found: FoundProgram, name: string, resources: object): number {
  const dir = join(lab.dir, name);
  mkdirSync(dir, { recursive: true });
  const file = join(dir, 'envoy.json');
  writeFileSync(file, JSON.stringify({ static_resources: resources }));
  const child = lab.start([
    found.program,
    '-c',
    file,
    '--concurrency',
    '1',
    '--log-level',
    'error',
    '--disable-hot-restart',
  ]);
  return child.pid ?? 0;
}
