/**
 * Fields that the lean messages leave out. Most only tune what this proxy does its own way, and are passed over. These
 * restrict traffic, or send it elsewhere: whoever set one would get something else than was meant, so it is refused.
 */
import { ConfigRejectedError } from '@weft/evaluator';

type Fields = Readonly<Record<number, string>>;

const TLS = 'envoy.extensions.transport_sockets.tls.v3.';
const ROUTE = 'envoy.config.route.v3.';
const CLUSTER = 'envoy.config.cluster.v3.';
const ENDPOINT = 'envoy.config.endpoint.v3.';
const CORE = 'envoy.config.core.v3.';
const NETWORK = 'envoy.extensions.filters.network.';
const HTTP = 'envoy.extensions.filters.http.';
const HCM = `${NETWORK}http_connection_manager.v3.HttpConnectionManager`;
const TCP = `${NETWORK}tcp_proxy.v3.TcpProxy`;
const UPSTREAM_HTTP = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** By message and number: the field's name. */
export const REFUSED_UNREAD: ReadonlyMap<string, Fields> = new Map<string, Fields>([
  [
    'envoy.config.listener.v3.Listener',
    {
      7: 'deprecated_v1',
      18: 'udp_listener_config',
      19: 'api_listener',
      27: 'internal_listener',
      32: 'filter_chain_matcher',
    },
  ],
  ['envoy.config.listener.v3.FilterChain', { 4: 'use_proxy_proto' }],
  ['envoy.config.listener.v3.Filter', { 5: 'config_discovery' }],
  ['envoy.config.listener.v3.ListenerFilter', { 5: 'config_discovery' }],
  [
    HCM,
    {
      31: 'scoped_routes',
      38: 'local_reply_config',
      43: 'path_normalization_options',
      46: 'original_ip_detection_extensions',
      50: 'typed_header_validation_config',
      52: 'early_header_mutation_extensions',
    },
  ],
  [`${HCM}.UpgradeConfig`, { 2: 'filters' }],
  [TCP, { 9: 'metadata_match' }],
  [`${TCP}.TunnelingConfig`, { 5: 'post_path' }],
  [`${TCP}.WeightedCluster.ClusterWeight`, { 3: 'metadata_match' }],
  [`${NETWORK}rbac.v3.RBAC`, { 6: 'matcher' }],
  [`${HTTP}rbac.v3.RBAC`, { 4: 'matcher' }],
  [`${HTTP}router.v3.Router`, { 5: 'strict_check_headers', 8: 'upstream_http_filters' }],
  [`${HTTP}fault.v3.HTTPFault`, { 7: 'response_rate_limit' }],
  [`${HTTP}local_ratelimit.v3.LocalRateLimit`, { 16: 'local_cluster_rate_limit' }],
  ['envoy.config.rbac.v3.Policy', { 3: 'condition', 4: 'checked_condition' }],
  ['envoy.type.matcher.v3.StringMatcher', { 8: 'custom' }],
  [
    `${ROUTE}RouteConfiguration`,
    {
      9: 'vhds',
      12: 'cluster_specifier_plugins',
      15: 'ignore_path_parameters_in_path_matching',
    },
  ],
  [`${ROUTE}VirtualHost`, { 20: 'retry_policy_typed_config', 21: 'matcher' }],
  [`${ROUTE}RouteMatch`, { 13: 'dynamic_metadata', 15: 'path_match_policy' }],
  [
    `${ROUTE}RouteAction`,
    {
      26: 'internal_redirect_action',
      29: 'host_rewrite_header',
      33: 'retry_policy_typed_config',
      34: 'internal_redirect_policy',
      35: 'host_rewrite_path_regex',
      37: 'cluster_specifier_plugin',
      39: 'inline_cluster_specifier_plugin',
      41: 'path_rewrite_policy',
    },
  ],
  [`${ROUTE}RouteAction.HashPolicy.Header`, { 2: 'regex_rewrite' }],
  [`${ROUTE}WeightedCluster`, { 4: 'header_name' }],
  [`${ROUTE}WeightedCluster.ClusterWeight`, { 3: 'metadata_match', 12: 'cluster_header' }],
  [`${ROUTE}RetryPolicy`, { 10: 'retriable_request_headers', 12: 'retry_options_predicates' }],
  [`${ROUTE}RateLimit`, { 4: 'limit' }],
  [
    `${CLUSTER}Cluster`,
    {
      14: 'http2_protocol_options',
      22: 'lb_subset_config',
      46: 'upstream_http_protocol_options',
      48: 'upstream_config',
      51: 'connection_pool_per_downstream_connection',
    },
  ],
  [`${CLUSTER}Cluster.OriginalDstLbConfig`, { 4: 'metadata_key' }],
  [`${CLUSTER}CircuitBreakers`, { 2: 'per_host_thresholds' }],
  [UPSTREAM_HTTP, { 6: 'http_filters', 7: 'header_validation_config' }],
  [`${UPSTREAM_HTTP}.ExplicitHttpConfig`, { 3: 'http3_protocol_options' }],
  [`${CORE}UpstreamHttpProtocolOptions`, { 3: 'override_auto_sni_header' }],
  [`${CORE}HealthCheck.HttpHealthCheck`, { 11: 'service_name_matcher' }],
  [`${CORE}HealthCheck.TcpHealthCheck`, { 3: 'proxy_protocol_config' }],
  [`${ENDPOINT}ClusterLoadAssignment.Policy`, { 2: 'drop_overloads' }],
  [`${ENDPOINT}LocalityLbEndpoints`, { 7: 'load_balancer_endpoints', 8: 'leds_cluster_locality_config' }],
  [`${TLS}DownstreamTlsContext`, { 8: 'ocsp_staple_policy' }],
  [
    `${TLS}CommonTlsContext`,
    {
      9: 'tls_certificate_certificate_provider',
      10: 'validation_context_certificate_provider',
      11: 'tls_certificate_certificate_provider_instance',
      12: 'validation_context_certificate_provider_instance',
      13: 'custom_handshaker',
      14: 'tls_certificate_provider_instance',
    },
  ],
  [
    `${TLS}CommonTlsContext.CombinedCertificateValidationContext`,
    {
      3: 'validation_context_certificate_provider',
      4: 'validation_context_certificate_provider_instance',
    },
  ],
  [`${TLS}TlsParameters`, { 5: 'signature_algorithms' }],
  [`${TLS}TlsCertificate`, { 3: 'password', 6: 'private_key_provider', 8: 'pkcs12' }],
  [
    `${TLS}CertificateValidationContext`,
    {
      6: 'require_signed_certificate_timestamp',
      12: 'custom_validator_config',
      13: 'ca_certificate_provider_instance',
      16: 'max_verify_depth',
      17: 'system_root_certs',
    },
  ],
]);

interface MaybeMessage {
  readonly $typeName?: string;
  readonly $unknown?: readonly { readonly no: number }[] | undefined;
}

/** Looks through all of a message, but for what is packed in it: whoever unpacks that asks again. @throws {ConfigRejectedError} */
export function refuseUnread(value: unknown, resource: string): void {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  const { $typeName, $unknown } = value as MaybeMessage;
  if ($typeName !== undefined && $unknown !== undefined) {
    const fields = REFUSED_UNREAD.get($typeName);
    const found = $unknown.find(({ no }) => fields?.[no] !== undefined);
    if (found !== undefined) throw new ConfigRejectedError(resource, `${fields?.[found.no]} is not supported`);
  }
  for (const [key, part] of Object.entries(value)) if (key !== '$unknown') refuseUnread(part, resource);
}
