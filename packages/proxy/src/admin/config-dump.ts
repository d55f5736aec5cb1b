// Envoy's /config_dump. This file alone loads the full descriptors, so it is imported only when somebody asks.
import {
  create,
  createRegistry,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  type Registry,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import { type Any, AnySchema, EmptySchema } from '@bufbuild/protobuf/wkt';
import {
  BootstrapConfigDumpSchema,
  file_envoy_admin_v3_config_dump,
  SecretsConfigDumpSchema,
} from '@weft/contracts/full/envoy/admin/v3/config_dump';
import {
  ClustersConfigDumpSchema,
  EndpointsConfigDumpSchema,
  file_envoy_admin_v3_config_dump_shared,
  ListenersConfigDumpSchema,
  RoutesConfigDumpSchema,
  ScopedRoutesConfigDumpSchema,
} from '@weft/contracts/full/envoy/admin/v3/config_dump_shared';
import { file_envoy_config_cluster_v3_cluster } from '@weft/contracts/full/envoy/config/cluster/v3/cluster';
import { file_envoy_config_endpoint_v3_endpoint } from '@weft/contracts/full/envoy/config/endpoint/v3/endpoint';
import { file_envoy_config_listener_v3_listener } from '@weft/contracts/full/envoy/config/listener/v3/listener';
import { file_envoy_config_route_v3_route } from '@weft/contracts/full/envoy/config/route/v3/route';
import { file_envoy_extensions_access_loggers_filters_cel_v3_cel } from '@weft/contracts/full/envoy/extensions/access_loggers/filters/cel/v3/cel';
import { file_envoy_extensions_access_loggers_file_v3_file } from '@weft/contracts/full/envoy/extensions/access_loggers/file/v3/file';
import { file_envoy_extensions_filters_http_cors_v3_cors } from '@weft/contracts/full/envoy/extensions/filters/http/cors/v3/cors';
import { file_envoy_extensions_filters_http_fault_v3_fault } from '@weft/contracts/full/envoy/extensions/filters/http/fault/v3/fault';
import { file_envoy_extensions_filters_http_stateful_session_v3_stateful_session } from '@weft/contracts/full/envoy/extensions/filters/http/stateful_session/v3/stateful_session';
import { file_envoy_extensions_http_stateful_session_cookie_v3_cookie } from '@weft/contracts/full/envoy/extensions/http/stateful_session/cookie/v3/cookie';
import { file_envoy_extensions_http_stateful_session_header_v3_header } from '@weft/contracts/full/envoy/extensions/http/stateful_session/header/v3/header';
import { file_envoy_extensions_load_balancing_policies_least_request_v3_least_request } from '@weft/contracts/full/envoy/extensions/load_balancing_policies/least_request/v3/least_request';
import { file_envoy_extensions_load_balancing_policies_maglev_v3_maglev } from '@weft/contracts/full/envoy/extensions/load_balancing_policies/maglev/v3/maglev';
import { file_envoy_extensions_load_balancing_policies_random_v3_random } from '@weft/contracts/full/envoy/extensions/load_balancing_policies/random/v3/random';
import { file_envoy_extensions_load_balancing_policies_ring_hash_v3_ring_hash } from '@weft/contracts/full/envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash';
import { file_envoy_extensions_load_balancing_policies_round_robin_v3_round_robin } from '@weft/contracts/full/envoy/extensions/load_balancing_policies/round_robin/v3/round_robin';
import { file_envoy_extensions_load_balancing_policies_wrr_locality_v3_wrr_locality } from '@weft/contracts/full/envoy/extensions/load_balancing_policies/wrr_locality/v3/wrr_locality';
import { file_envoy_extensions_retry_priority_previous_priorities_v3_previous_priorities_config } from '@weft/contracts/full/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config';
import { file_envoy_extensions_filters_http_grpc_stats_v3_config } from '@weft/contracts/full/envoy/extensions/filters/http/grpc_stats/v3/config';
import { file_envoy_extensions_filters_http_local_ratelimit_v3_local_rate_limit } from '@weft/contracts/full/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit';
import { file_envoy_extensions_filters_http_rbac_v3_rbac } from '@weft/contracts/full/envoy/extensions/filters/http/rbac/v3/rbac';
import { file_envoy_extensions_filters_http_router_v3_router } from '@weft/contracts/full/envoy/extensions/filters/http/router/v3/router';
import { file_envoy_extensions_filters_listener_http_inspector_v3_http_inspector } from '@weft/contracts/full/envoy/extensions/filters/listener/http_inspector/v3/http_inspector';
import { file_envoy_extensions_filters_listener_original_dst_v3_original_dst } from '@weft/contracts/full/envoy/extensions/filters/listener/original_dst/v3/original_dst';
import { file_envoy_extensions_filters_listener_tls_inspector_v3_tls_inspector } from '@weft/contracts/full/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector';
import { file_envoy_extensions_filters_network_http_connection_manager_v3_http_connection_manager } from '@weft/contracts/full/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { file_envoy_extensions_filters_network_rbac_v3_rbac } from '@weft/contracts/full/envoy/extensions/filters/network/rbac/v3/rbac';
import { file_envoy_extensions_filters_network_tcp_proxy_v3_tcp_proxy } from '@weft/contracts/full/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy';
import { file_envoy_extensions_retry_host_previous_hosts_v3_previous_hosts } from '@weft/contracts/full/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts';
import { file_envoy_extensions_transport_sockets_raw_buffer_v3_raw_buffer } from '@weft/contracts/full/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer';
import {
  file_envoy_extensions_transport_sockets_tls_v3_secret,
  SecretSchema,
} from '@weft/contracts/full/envoy/extensions/transport_sockets/tls/v3/secret';
import { file_envoy_extensions_transport_sockets_tls_v3_tls } from '@weft/contracts/full/envoy/extensions/transport_sockets/tls/v3/tls';
import { file_envoy_extensions_upstreams_http_v3_http_protocol_options } from '@weft/contracts/full/envoy/extensions/upstreams/http/v3/http_protocol_options';
import { file_udpa_type_v1_typed_struct } from '@weft/contracts/full/udpa/type/v1/typed_struct';
import { file_xds_type_v3_typed_struct } from '@weft/contracts/full/xds/type/v3/typed_struct';
import { XDS_TYPE } from '@weft/contracts';
import { createRegexEngine } from '@weft/evaluator';
import { applyMask } from './field-mask.ts';
import type { ResourceType } from '../ports.ts';
import type { PublicSecret } from '../secrets/secret-store.ts';
import type { RefusedResource, ResourceBook } from '../discovery/resource-book.ts';

export interface ConfigDumpInput {
  readonly book: ResourceBook;
  readonly nodeId: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Public parts only. */
  readonly secrets: readonly PublicSecret[];
}

const registry: Registry = createRegistry(
  file_envoy_admin_v3_config_dump,
  file_envoy_admin_v3_config_dump_shared,
  file_envoy_config_cluster_v3_cluster,
  file_envoy_config_endpoint_v3_endpoint,
  file_envoy_config_listener_v3_listener,
  file_envoy_config_route_v3_route,
  file_envoy_extensions_access_loggers_file_v3_file,
  file_envoy_extensions_access_loggers_filters_cel_v3_cel,
  file_envoy_extensions_filters_http_cors_v3_cors,
  file_envoy_extensions_filters_http_fault_v3_fault,
  file_envoy_extensions_filters_http_stateful_session_v3_stateful_session,
  file_envoy_extensions_http_stateful_session_cookie_v3_cookie,
  file_envoy_extensions_http_stateful_session_header_v3_header,
  file_envoy_extensions_load_balancing_policies_least_request_v3_least_request,
  file_envoy_extensions_load_balancing_policies_maglev_v3_maglev,
  file_envoy_extensions_load_balancing_policies_random_v3_random,
  file_envoy_extensions_load_balancing_policies_ring_hash_v3_ring_hash,
  file_envoy_extensions_load_balancing_policies_round_robin_v3_round_robin,
  file_envoy_extensions_load_balancing_policies_wrr_locality_v3_wrr_locality,
  file_envoy_extensions_retry_priority_previous_priorities_v3_previous_priorities_config,
  file_envoy_extensions_filters_http_grpc_stats_v3_config,
  file_envoy_extensions_filters_http_local_ratelimit_v3_local_rate_limit,
  file_envoy_extensions_filters_http_rbac_v3_rbac,
  file_envoy_extensions_filters_http_router_v3_router,
  file_envoy_extensions_filters_listener_http_inspector_v3_http_inspector,
  file_envoy_extensions_filters_listener_original_dst_v3_original_dst,
  file_envoy_extensions_filters_listener_tls_inspector_v3_tls_inspector,
  file_envoy_extensions_filters_network_http_connection_manager_v3_http_connection_manager,
  file_envoy_extensions_filters_network_rbac_v3_rbac,
  file_envoy_extensions_filters_network_tcp_proxy_v3_tcp_proxy,
  file_envoy_extensions_retry_host_previous_hosts_v3_previous_hosts,
  file_envoy_extensions_transport_sockets_raw_buffer_v3_raw_buffer,
  file_envoy_extensions_transport_sockets_tls_v3_secret,
  file_envoy_extensions_transport_sockets_tls_v3_tls,
  file_envoy_extensions_upstreams_http_v3_http_protocol_options,
  file_udpa_type_v1_typed_struct,
  file_xds_type_v3_typed_struct,
);
const JSON_OPTIONS = { registry, useProtoFieldName: true } as const;
/** Extensions that are not known here are named, without their content: what reads such pages (istioctl) passes over them. */
const LENIENT_OPTIONS = {
  ...JSON_OPTIONS,
  registry: {
    kind: 'registry',
    [Symbol.iterator]: () => registry[Symbol.iterator](),
    get: (typeName) => registry.get(typeName),
    getMessage: (typeName): DescMessage => registry.getMessage(typeName) ?? { ...EmptySchema, typeName },
    getEnum: (typeName) => registry.getEnum(typeName),
    getExtension: (typeName) => registry.getExtension(typeName),
    getExtensionFor: (extendee, no) => registry.getExtensionFor(extendee, no),
    getService: (typeName) => registry.getService(typeName),
  } satisfies Registry,
};

/** @throws for a query that can not be answered; its message is for the caller. */
export function configDump(input: ConfigDumpInput, query: URLSearchParams): string {
  const wanted = nameFilter(query.get('name_regex'));
  const sections: JsonValue[] = [
    bootstrap(input),
    clusters(input.book, wanted),
    ...(query.has('include_eds') ? [endpoints(input.book, wanted)] : []),
    listeners(input.book, wanted),
    section(ScopedRoutesConfigDumpSchema.typeName, {}),
    routes(input.book, wanted),
    secrets(input, wanted),
  ];
  const resource = query.get('resource');
  if (resource !== null && !LISTS.has(resource)) throw new NotInDumpError(resource);
  const configs = resource === null ? sections : sections.flatMap((section) => listIn(section, resource));
  const mask = query.get('mask');
  const masked = mask === null ? configs : configs.map((config) => applyMask(config, mask));
  return `${JSON.stringify({ configs: masked }, undefined, 1)}\n`;
}

/** Envoy's names, and the message that each entry is; those that nothing here fills are empty. */
const LISTS: ReadonlyMap<string, string> = new Map([
  ['bootstrap', 'envoy.config.bootstrap.v3.Bootstrap'],
  ...['active', 'warming'].flatMap((state) => [
    [`dynamic_${state}_clusters`, `${ClustersConfigDumpSchema.typeName}.DynamicCluster`] as const,
    [`dynamic_${state}_secrets`, `${SecretsConfigDumpSchema.typeName}.DynamicSecret`] as const,
  ]),
  ['static_clusters', `${ClustersConfigDumpSchema.typeName}.StaticCluster`],
  ['static_secrets', `${SecretsConfigDumpSchema.typeName}.StaticSecret`],
  ...(['dynamic', 'static'] as const).flatMap((state) => {
    const kind = state === 'dynamic' ? 'Dynamic' : 'Static';
    return [
      [`${state}_listeners`, `${ListenersConfigDumpSchema.typeName}.${kind}Listener`] as const,
      [`${state}_route_configs`, `${RoutesConfigDumpSchema.typeName}.${kind}RouteConfig`] as const,
      [`${state}_endpoint_configs`, `${EndpointsConfigDumpSchema.typeName}.${kind}EndpointConfig`] as const,
    ];
  }),
]);

/** Asked for what no dump has. */
class NotInDumpError extends Error {
  constructor(resource: string) {
    super(`${resource} not found in config dump`);
    // The page tells it by its name: this file is loaded only when it is asked for.
    this.name = 'NotInDumpError';
  }
}

/** The members of one list (`dynamic_active_clusters`, ...), wherever it is. */
function listIn(section: JsonValue, name: string): JsonValue[] {
  if (typeof section !== 'object' || section === null || Array.isArray(section)) return [];
  const list = section[name];
  const found = Array.isArray(list) ? list : list === undefined ? [] : [list];
  const type = { '@type': `type.googleapis.com/${LISTS.get(name) ?? ''}` };
  return found.map((entry) => ({ ...type, ...(entry as JsonObject) }));
}

function nameFilter(pattern: string | null): (name: string) => boolean {
  if (pattern === null) return () => true;
  const regex = createRegexEngine().compile(`.*(?:${pattern}).*`);
  return (name) => regex.matchesWhole(name);
}

type Wanted = (name: string) => boolean;

const packed = (type: ResourceType, bytes: Uint8Array): Any =>
  create(AnySchema, { typeUrl: XDS_TYPE[type], value: bytes });

/**
 * One section as JSON. Each resource is turned into JSON by itself: one that can not be read at all is shown encoded, and
 * the rest is not lost.
 */
function section(typeName: string, lists: Readonly<Record<string, readonly JsonValue[]>>): JsonObject {
  const filled = Object.entries(lists).filter(([, list]) => list.length > 0);
  return {
    '@type': `type.googleapis.com/${typeName}`,
    ...Object.fromEntries(filled.map(([name, list]) => [name, [...list]])),
  };
}

function anyJson(any: Any): JsonValue {
  try {
    return toJson(AnySchema, any, JSON_OPTIONS);
  } catch {
    return lenientJson(any);
  }
}

function lenientJson(any: Any): JsonValue {
  try {
    return toJson(AnySchema, any, LENIENT_OPTIONS);
  } catch {
    return { '@type': any.typeUrl, value: Buffer.from(any.value).toString('base64') };
  }
}

const common = ({ version, updatedAt }: { readonly version: string; readonly updatedAt: number }) => ({
  version_info: version,
  last_updated: new Date(updatedAt).toISOString(),
});

function errorState(refused: RefusedResource | undefined): JsonObject {
  if (refused === undefined) return {};
  const { version, reason, at } = refused;
  return { error_state: { version_info: version, details: reason, last_update_attempt: new Date(at).toISOString() } };
}

/** Resources of a type with the refusal that stands against each; names that were only ever refused come with that alone. */
function entries(book: ResourceBook, type: ResourceType, wanted: Wanted) {
  const { [type]: held } = book.held;
  const { [type]: refused } = book.refused;
  const names = new Set([...held.keys(), ...refused.keys()]);
  return [...names]
    .filter(wanted)
    .sort()
    .map((name) => ({ name, held: held.get(name), refused: refused.get(name) }));
}

function dynamicList(book: ResourceBook, type: ResourceType, field: string, wanted: Wanted): JsonObject[] {
  return entries(book, type, wanted).map(({ name, held, refused }) => ({
    ...(held === undefined ? { name } : { ...common(held), [field]: anyJson(packed(type, held.bytes)) }),
    ...errorState(refused),
  }));
}

const clusters = (book: ResourceBook, wanted: Wanted): JsonObject =>
  section(ClustersConfigDumpSchema.typeName, {
    dynamic_active_clusters: dynamicList(book, 'cluster', 'cluster', wanted),
  });

const endpoints = (book: ResourceBook, wanted: Wanted): JsonObject =>
  section(EndpointsConfigDumpSchema.typeName, {
    dynamic_endpoint_configs: dynamicList(book, 'endpoint', 'endpoint_config', wanted),
  });

const routes = (book: ResourceBook, wanted: Wanted): JsonObject =>
  section(RoutesConfigDumpSchema.typeName, {
    dynamic_route_configs: dynamicList(book, 'route', 'route_config', wanted),
  });

function listeners(book: ResourceBook, wanted: Wanted): JsonObject {
  return section(ListenersConfigDumpSchema.typeName, {
    dynamic_listeners: entries(book, 'listener', wanted).map(({ name, held, refused }) => ({
      name,
      ...(held === undefined
        ? {}
        : { active_state: { ...common(held), listener: anyJson(packed('listener', held.bytes)) } }),
      ...errorState(refused),
    })),
  });
}

const REDACTED = Buffer.from('[redacted]');

function secrets({ secrets: all }: ConfigDumpInput, wanted: Wanted): JsonObject {
  const shown = all.filter(({ name }) => wanted(name));
  const isThere = ({ certificateChain, trustedCa }: PublicSecret): boolean =>
    certificateChain !== undefined || trustedCa !== undefined;
  return section(SecretsConfigDumpSchema.typeName, {
    dynamic_active_secrets: shown.filter(isThere).map(secretJson),
    dynamic_warming_secrets: shown.filter((secret) => !isThere(secret)).map(secretJson),
  });
}

function secretJson({ name, certificateChain, trustedCa, fault }: PublicSecret): JsonObject {
  const inline = (text: string) => ({ specifier: { case: 'inlineBytes' as const, value: Buffer.from(text) } });
  const secret = create(SecretSchema, {
    name,
    type:
      certificateChain !== undefined
        ? {
            case: 'tlsCertificate',
            value: {
              certificateChain: inline(certificateChain),
              privateKey: { specifier: { case: 'inlineBytes', value: REDACTED } },
            },
          }
        : trustedCa === undefined
          ? { case: undefined }
          : { case: 'validationContext', value: { trustedCa: inline(trustedCa) } },
  });
  const any = create(AnySchema, { typeUrl: XDS_TYPE.secret, value: toBinary(SecretSchema, secret) });
  return { name, secret: anyJson(any), ...(fault === undefined ? {} : { error_state: { details: fault } }) };
}

const bootstrap = ({ nodeId, metadata }: ConfigDumpInput): JsonObject => ({
  '@type': `type.googleapis.com/${BootstrapConfigDumpSchema.typeName}`,
  bootstrap: { node: { id: nodeId, metadata: JSON.parse(JSON.stringify(metadata)) as JsonObject } },
});
