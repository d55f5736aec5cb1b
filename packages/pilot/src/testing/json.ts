/** Envoy messages as JSON with every Any opened, for golden files and assertions. */
import { createRegistry, toJson, type DescMessage, type JsonValue, type MessageShape } from '@bufbuild/protobuf';
import { ClusterSchema } from '@weft/contracts/full/envoy/config/cluster/v3/cluster';
import { ClusterLoadAssignmentSchema } from '@weft/contracts/full/envoy/config/endpoint/v3/endpoint';
import { ListenerSchema } from '@weft/contracts/full/envoy/config/listener/v3/listener';
import { RouteConfigurationSchema } from '@weft/contracts/full/envoy/config/route/v3/route';
import { NameTableSchema } from '@weft/contracts/full/istio/networking/nds/v1/nds';
import { FileAccessLogSchema } from '@weft/contracts/full/envoy/extensions/access_loggers/file/v3/file';
import { CorsPolicySchema, CorsSchema } from '@weft/contracts/full/envoy/extensions/filters/http/cors/v3/cors';
import { ProxyProtocolSchema } from '@weft/contracts/full/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol';
import { LocalRateLimitSchema } from '@weft/contracts/full/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit';
import { ExpressionFilterSchema } from '@weft/contracts/full/envoy/extensions/access_loggers/filters/cel/v3/cel';
import { HTTPFaultSchema } from '@weft/contracts/full/envoy/extensions/filters/http/fault/v3/fault';
import { RBACSchema as HttpRbacSchema } from '@weft/contracts/full/envoy/extensions/filters/http/rbac/v3/rbac';
import { RouterSchema } from '@weft/contracts/full/envoy/extensions/filters/http/router/v3/router';
import { HttpInspectorSchema } from '@weft/contracts/full/envoy/extensions/filters/listener/http_inspector/v3/http_inspector';
import { OriginalDstSchema } from '@weft/contracts/full/envoy/extensions/filters/listener/original_dst/v3/original_dst';
import { TlsInspectorSchema } from '@weft/contracts/full/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector';
import { HttpConnectionManagerSchema } from '@weft/contracts/full/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { RBACSchema as NetworkRbacSchema } from '@weft/contracts/full/envoy/extensions/filters/network/rbac/v3/rbac';
import { TcpProxySchema } from '@weft/contracts/full/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy';
import { PreviousHostsPredicateSchema } from '@weft/contracts/full/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts';
import { PreviousPrioritiesConfigSchema } from '@weft/contracts/full/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config';
import {
  StatefulSessionPerRouteSchema,
  StatefulSessionSchema,
} from '@weft/contracts/full/envoy/extensions/filters/http/stateful_session/v3/stateful_session';
import { CookieBasedSessionStateSchema } from '@weft/contracts/full/envoy/extensions/http/stateful_session/cookie/v3/cookie';
import { HeaderBasedSessionStateSchema } from '@weft/contracts/full/envoy/extensions/http/stateful_session/header/v3/header';
import { RawBufferSchema } from '@weft/contracts/full/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer';
import {
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from '@weft/contracts/full/envoy/extensions/transport_sockets/tls/v3/tls';
import { HttpProtocolOptionsSchema } from '@weft/contracts/full/envoy/extensions/upstreams/http/v3/http_protocol_options';
import { ConnectionLimitSchema } from '@weft/contracts/full/envoy/extensions/filters/network/connection_limit/v3/connection_limit';
import type { ResourceKind } from '../generators/resource.ts';

const registry = createRegistry(
  FileAccessLogSchema,
  CorsPolicySchema,
  CorsSchema,
  HTTPFaultSchema,
  ExpressionFilterSchema,
  LocalRateLimitSchema,
  ProxyProtocolSchema,
  ConnectionLimitSchema,
  PreviousPrioritiesConfigSchema,
  StatefulSessionSchema,
  StatefulSessionPerRouteSchema,
  CookieBasedSessionStateSchema,
  HeaderBasedSessionStateSchema,
  HttpRbacSchema,
  RouterSchema,
  HttpInspectorSchema,
  OriginalDstSchema,
  TlsInspectorSchema,
  HttpConnectionManagerSchema,
  NetworkRbacSchema,
  TcpProxySchema,
  PreviousHostsPredicateSchema,
  RawBufferSchema,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
  HttpProtocolOptionsSchema,
);

export const SCHEMAS = {
  cluster: ClusterSchema,
  endpoint: ClusterLoadAssignmentSchema,
  listener: ListenerSchema,
  route: RouteConfigurationSchema,
  nameTable: NameTableSchema,
} as const satisfies Record<ResourceKind, DescMessage>;

export const messageJson = <Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): JsonValue =>
  toJson(schema, message, { registry });
