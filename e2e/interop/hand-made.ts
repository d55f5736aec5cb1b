/** Envoy resources written by hand, and a control plane that serves just these: what our protocol does, apart from what pilot generates. */
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import {
  createRegistry,
  fromJson,
  toBinary,
  type DescMessage,
  type JsonObject,
  type JsonValue,
} from '@bufbuild/protobuf';
import {
  createSecretServer,
  envoyBootstrap,
  type AgentSecrets,
  type SecretListener,
  type SecretServer,
} from '@weft/agent';
import { controlPlaneId, nodeId, SECRET_DEFAULT, SECRET_ROOT, spiffeId, XDS_TYPE } from '@weft/contracts';
import { ClusterSchema } from '@weft/contracts/full/envoy/config/cluster/v3/cluster';
import { ClusterLoadAssignmentSchema } from '@weft/contracts/full/envoy/config/endpoint/v3/endpoint';
import { ListenerSchema } from '@weft/contracts/full/envoy/config/listener/v3/listener';
import { RouteConfigurationSchema } from '@weft/contracts/full/envoy/config/route/v3/route';
import { file_envoy_extensions_filters_http_router_v3_router as routerFile } from '@weft/contracts/full/envoy/extensions/filters/http/router/v3/router';
import { file_envoy_extensions_filters_network_http_connection_manager_v3_http_connection_manager as hcmFile } from '@weft/contracts/full/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { file_envoy_extensions_transport_sockets_tls_v3_tls as tlsFile } from '@weft/contracts/full/envoy/extensions/transport_sockets/tls/v3/tls';
import { silentLogger } from '@weft/kit';
import { createTestAuthority, freePort, tempDir, type TestAuthority } from '@weft/testkit';
import type { AdsServer, ResourceView, XdsResource } from '@weft/xds';
import { serveView } from '@weft/xds/testing';
import { startEnvoy, type Envoy } from '../harness/envoy.ts';

const registry = createRegistry(routerFile, hcmFile, tlsFile);
const TYPE = 'type.googleapis.com/';
const ADS = { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' };

function resource(schema: DescMessage, name: string, json: JsonObject): XdsResource {
  const bytes = toBinary(schema, fromJson(schema, json, { registry }));
  return { name, bytes, version: createHash('sha256').update(bytes).digest('base64url') };
}

export const cluster = (name: string, more: JsonObject = {}): XdsResource =>
  resource(ClusterSchema, name, {
    name,
    type: 'EDS',
    connect_timeout: '1s',
    eds_cluster_config: { eds_config: ADS, service_name: name },
    ...more,
  });

export const endpoints = (name: string, ports: readonly number[]): XdsResource =>
  resource(ClusterLoadAssignmentSchema, name, {
    cluster_name: name,
    endpoints: [{ lb_endpoints: ports.map((port) => ({ endpoint: { address: tcp(port) } })) }],
  });

export const routes = (name: string, to: string): XdsResource =>
  resource(RouteConfigurationSchema, name, {
    name,
    validate_clusters: false,
    virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: to } }] }],
  });

/** @param more fields of the filter chain, for example TLS. */
export const listener = (name: string, port: number, route: string, more: JsonObject = {}): XdsResource =>
  resource(ListenerSchema, name, {
    name,
    address: tcp(port),
    filter_chains: [{ filters: [httpFilter(route)], ...more }],
  });

/** Envoy refuses this one: nobody knows such a filter. */
export const poisonedListener = (name: string, port: number): XdsResource =>
  resource(ListenerSchema, name, {
    name,
    address: tcp(port),
    filter_chains: [{ filters: [{ name: 'no.such.filter' }] }],
  });

/** Mutual TLS by the agent's secrets, as pilot writes it. */
export const mutualTls = (): JsonObject => ({
  transport_socket: {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${TYPE}envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext`,
      require_client_certificate: true,
      common_tls_context: {
        tls_certificate_sds_secret_configs: [fromAgent(SECRET_DEFAULT)],
        validation_context_sds_secret_config: fromAgent(SECRET_ROOT),
      },
    },
  },
});

const fromAgent = (name: string): JsonObject => ({
  name,
  sds_config: {
    api_config_source: {
      api_type: 'GRPC',
      transport_api_version: 'V3',
      set_node_on_first_message_only: true,
      grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }],
    },
    initial_fetch_timeout: '0s',
    resource_api_version: 'V3',
  },
});

const tcp = (port: number): JsonValue => ({ socket_address: { address: '127.0.0.1', port_value: port } });

const httpFilter = (route: string): JsonObject => ({
  name: 'envoy.filters.network.http_connection_manager',
  typed_config: {
    '@type': `${TYPE}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'test',
    rds: { config_source: ADS, route_config_name: route },
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': `${TYPE}envoy.extensions.filters.http.router.v3.Router` },
      },
    ],
  },
});

export interface Content {
  readonly clusters?: readonly XdsResource[];
  readonly endpoints?: readonly XdsResource[];
  readonly listeners?: readonly XdsResource[];
  readonly routes?: readonly XdsResource[];
}

let views = 0;
export function viewOf(content: Content): ResourceView {
  const byName = (list: readonly XdsResource[] = []): ReadonlyMap<string, XdsResource> =>
    new Map(list.map((one) => [one.name, one]));
  const types = new Map([
    [XDS_TYPE.cluster, byName(content.clusters)],
    [XDS_TYPE.endpoint, byName(content.endpoints)],
    [XDS_TYPE.listener, byName(content.listeners)],
    [XDS_TYPE.route, byName(content.routes)],
  ] as const);
  views += 1;
  return { version: `hand-made/${views}`, resources: (typeUrl) => new Map(types.get(typeUrl as never) ?? []) };
}

export interface ControlPlane {
  readonly ads: AdsServer;
  readonly port: number;
  /** Everything is compared: what is equal is not sent. */
  serve(content: Content): void;
  close(): Promise<void>;
}

export async function startControlPlane(authority: TestAuthority, content: Content, port = 0): Promise<ControlPlane> {
  const {
    ads,
    port: bound,
    source,
    close,
  } = await serveView(authority.issue(controlPlaneId()), viewOf(content), { port });
  return {
    ads,
    port: bound,
    serve: (next) => source.change(viewOf(next)),
    close: () => close(100),
  };
}

export const WORKLOAD_ID = spiffeId({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'reviews' });

/** An agent's secrets, replaced by hand. */
export function createSecrets(authority: TestAuthority) {
  const listeners = new Set<SecretListener>();
  const issue = (): AgentSecrets => {
    const { certChainPem, privateKeyPem } = authority.issue(WORKLOAD_ID);
    const own = { certChainPem, privateKeyPem, spiffeId: WORKLOAD_ID, expiresAt: Date.now() + 3_600_000 };
    return { default: own, rootCaPem: authority.rootsPem };
  };
  let current = issue();
  return {
    secrets: () => current,
    subscribe(listener: SecretListener) {
      listeners.add(listener);
      listener({ name: 'default', ...current.default });
      return () => void listeners.delete(listener);
    },
    renew() {
      current = issue();
      for (const listener of listeners) listener({ name: 'default', ...current.default });
    },
  };
}

export interface EnvoyUnderTest extends AsyncDisposable {
  readonly envoy: Envoy;
  readonly authority: TestAuthority;
  readonly secrets: ReturnType<typeof createSecrets>;
  readonly sds: SecretServer;
  controlPlane: ControlPlane;
}

/** Envoy with its agent's secret service and a control plane. @param api state of the world instead of delta. */
export async function startEverything(
  path: string,
  content: Content,
  api: 'DELTA_GRPC' | 'GRPC' = 'DELTA_GRPC',
): Promise<EnvoyUnderTest> {
  const dir = await tempDir('weft-envoy-');
  const authority = createTestAuthority();
  const secrets = createSecrets(authority);
  const socketPath = join(dir.path, 'sds.sock');
  const sds = await createSecretServer({ socketPath, spiffeId: WORKLOAD_ID, origin: secrets, logger: silentLogger });
  const controlPlane = await startControlPlane(authority, content);
  const admin = { host: '127.0.0.1', port: await freePort() };
  const bootstrap = envoyBootstrap({
    nodeId: nodeId({ type: 'sidecar', ip: '127.0.0.1', name: 'reviews-v1', namespace: 'default' }),
    cluster: 'reviews.default',
    metadata: { NAMESPACE: 'default', SERVICE_ACCOUNT: 'reviews' },
    xds: { host: '127.0.0.1', port: controlPlane.port },
    controlPlaneId: controlPlaneId(),
    sdsSocket: socketPath,
    admin,
  });
  const text = JSON.stringify(bootstrap).replace('"api_type":"DELTA_GRPC"', `"api_type":"${api}"`);
  const envoy = await startEnvoy({
    path,
    bootstrap: JSON.parse(text) as Record<string, unknown>,
    directory: dir.path,
    admin: `${admin.host}:${admin.port}`,
  });
  const all: EnvoyUnderTest = {
    envoy,
    authority,
    secrets,
    sds,
    controlPlane,
    async [Symbol.asyncDispose]() {
      await envoy.stop();
      await sds.close();
      await all.controlPlane.close();
      await dir.remove();
    },
  };
  return all;
}

/** An HTTP server that answers with its name. */
export async function startBackend(name: string): Promise<AsyncDisposable & { readonly port: number }> {
  const server: Server = createServer((_request, response) => response.end(name));
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : 0);
    });
  });
  return {
    port,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
