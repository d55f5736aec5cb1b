import { create, createRegistry, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { file_envoy_config_cluster_v3_circuit_breaker } from '@weft/contracts/full/envoy/config/cluster/v3/circuit_breaker';
import {
  ClusterSchema,
  file_envoy_config_cluster_v3_cluster,
} from '@weft/contracts/full/envoy/config/cluster/v3/cluster';
import { file_envoy_config_core_v3_health_check } from '@weft/contracts/full/envoy/config/core/v3/health_check';
import { file_envoy_config_core_v3_protocol } from '@weft/contracts/full/envoy/config/core/v3/protocol';
import { file_envoy_config_endpoint_v3_endpoint } from '@weft/contracts/full/envoy/config/endpoint/v3/endpoint';
import { file_envoy_config_endpoint_v3_endpoint_components } from '@weft/contracts/full/envoy/config/endpoint/v3/endpoint_components';
import { file_envoy_config_listener_v3_listener } from '@weft/contracts/full/envoy/config/listener/v3/listener';
import { file_envoy_config_listener_v3_listener_components } from '@weft/contracts/full/envoy/config/listener/v3/listener_components';
import { file_envoy_config_rbac_v3_rbac } from '@weft/contracts/full/envoy/config/rbac/v3/rbac';
import { file_envoy_config_route_v3_route } from '@weft/contracts/full/envoy/config/route/v3/route';
import { file_envoy_config_route_v3_route_components } from '@weft/contracts/full/envoy/config/route/v3/route_components';
import { file_envoy_extensions_filters_http_fault_v3_fault } from '@weft/contracts/full/envoy/extensions/filters/http/fault/v3/fault';
import { file_envoy_extensions_filters_http_local_ratelimit_v3_local_rate_limit } from '@weft/contracts/full/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit';
import {
  file_envoy_extensions_filters_http_rbac_v3_rbac,
  RBACSchema,
} from '@weft/contracts/full/envoy/extensions/filters/http/rbac/v3/rbac';
import { file_envoy_extensions_filters_http_router_v3_router } from '@weft/contracts/full/envoy/extensions/filters/http/router/v3/router';
import { file_envoy_extensions_filters_network_http_connection_manager_v3_http_connection_manager } from '@weft/contracts/full/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { file_envoy_extensions_filters_network_rbac_v3_rbac } from '@weft/contracts/full/envoy/extensions/filters/network/rbac/v3/rbac';
import { file_envoy_extensions_filters_network_tcp_proxy_v3_tcp_proxy } from '@weft/contracts/full/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy';
import { file_envoy_extensions_transport_sockets_tls_v3_common } from '@weft/contracts/full/envoy/extensions/transport_sockets/tls/v3/common';
import {
  DownstreamTlsContextSchema,
  file_envoy_extensions_transport_sockets_tls_v3_tls,
} from '@weft/contracts/full/envoy/extensions/transport_sockets/tls/v3/tls';
import { file_envoy_extensions_upstreams_http_v3_http_protocol_options } from '@weft/contracts/full/envoy/extensions/upstreams/http/v3/http_protocol_options';
import { file_envoy_type_matcher_v3_string } from '@weft/contracts/full/envoy/type/matcher/v3/string';
import { RBACSchema as LeanRbacSchema } from '@weft/contracts/lean/envoy/extensions/filters/http/rbac/v3/rbac';
import { DownstreamTlsContextSchema as LeanTlsSchema } from '@weft/contracts/lean/envoy/extensions/transport_sockets/tls/v3/tls';
import { describe, expect, it } from 'vitest';
import { decodeResource } from '../discovery/decode.ts';
import { unpack } from './any.ts';
import { REFUSED_UNREAD, refuseUnread } from './unread-fields.ts';

const registry = createRegistry(
  file_envoy_config_cluster_v3_circuit_breaker,
  file_envoy_config_cluster_v3_cluster,
  file_envoy_config_core_v3_health_check,
  file_envoy_config_core_v3_protocol,
  file_envoy_config_endpoint_v3_endpoint,
  file_envoy_config_endpoint_v3_endpoint_components,
  file_envoy_config_listener_v3_listener,
  file_envoy_config_listener_v3_listener_components,
  file_envoy_config_rbac_v3_rbac,
  file_envoy_config_route_v3_route,
  file_envoy_config_route_v3_route_components,
  file_envoy_extensions_filters_http_fault_v3_fault,
  file_envoy_extensions_filters_http_local_ratelimit_v3_local_rate_limit,
  file_envoy_extensions_filters_http_rbac_v3_rbac,
  file_envoy_extensions_filters_http_router_v3_router,
  file_envoy_extensions_filters_network_http_connection_manager_v3_http_connection_manager,
  file_envoy_extensions_filters_network_rbac_v3_rbac,
  file_envoy_extensions_filters_network_tcp_proxy_v3_tcp_proxy,
  file_envoy_extensions_transport_sockets_tls_v3_common,
  file_envoy_extensions_transport_sockets_tls_v3_tls,
  file_envoy_extensions_upstreams_http_v3_http_protocol_options,
  file_envoy_type_matcher_v3_string,
);

const packed = <Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>) => ({
  typeUrl: `type.googleapis.com/${schema.typeName}`,
  value: toBinary(schema, create(schema, init)),
});
const cluster = (init: MessageInitShape<typeof ClusterSchema>): object =>
  decodeResource('cluster', toBinary(ClusterSchema, create(ClusterSchema, { name: 'a', ...init })));

describe('fields that are not read', () => {
  it('are listed under the names and numbers that Envoy gives them', () => {
    const listed = [...REFUSED_UNREAD].flatMap(([message, fields]) =>
      Object.entries(fields).map(([no, name]) => `${message} ${no} ${name}`),
    );
    const known = [...REFUSED_UNREAD].flatMap(([message, fields]) =>
      Object.keys(fields).map((no) => {
        const field = registry.getMessage(message)?.fields.find((one) => String(one.number) === no);
        return `${message} ${no} ${field?.name ?? 'is unknown'}`;
      }),
    );
    expect(listed).toEqual(known);
  });

  it('refuse a resource where they choose or restrict, at any depth', () => {
    expect(() => refuseUnread(cluster({ lbSubsetConfig: {} }), 'Cluster "a"')).toThrow(
      'Cluster "a": lb_subset_config is not supported',
    );
    const perHost = cluster({ circuitBreakers: { perHostThresholds: [{ maxConnections: 1 }] } });
    expect(() => refuseUnread(perHost, 'Cluster "a"')).toThrow('per_host_thresholds');
  });

  it('refuse what is packed in a resource: a policy is not in force without its condition', () => {
    const policies = { p: { condition: { id: 1n }, principals: [], permissions: [] } };
    expect(() => unpack(packed(RBACSchema, { rules: { policies } }), LeanRbacSchema, 'here')).toThrow(
      'here: condition is not supported',
    );
    const matcher = packed(RBACSchema, { matcher: {} });
    expect(() => unpack(matcher, LeanRbacSchema, 'here')).toThrow('here: matcher is not supported');
    const roots = packed(DownstreamTlsContextSchema, {
      commonTlsContext: {
        validationContextType: { case: 'validationContext', value: { systemRootCerts: {} } },
      },
    });
    expect(() => unpack(roots, LeanTlsSchema, 'here')).toThrow('here: system_root_certs is not supported');
  });

  it('are passed over where they only tune', () => {
    expect(() => refuseUnread(cluster({ trackTimeoutBudgets: true, preconnectPolicy: {} }), 'here')).not.toThrow();
  });
});
