/** Configuration kinds: schemas, types and the table of what is served. The proxy never imports this. */
export {
  apiVersionOf,
  isKindName,
  KIND_NAMES,
  kindByAlias,
  kindInfo,
  KINDS,
  UNSUPPORTED_KINDS,
  type KindInfo,
  type KindName,
  type SpecOf,
  type UnsupportedKind,
} from './kinds.ts';
export {
  byAge,
  configKey,
  isKind,
  refOf,
  type ConfigKey,
  type ConfigObject,
  type ConfigRef,
  type ObjectMeta,
  type SourcePosition,
} from './object.ts';
export { META, metaOf, type Effect, type FieldMeta, type Format, type MessageMeta, type ValueMeta } from './meta.ts';
export type {
  CorsPolicy,
  Destination,
  HeaderOperations,
  HttpFaultInjection,
  HttpMatchRequest,
  HttpRetry,
  HttpRoute,
  HttpRouteDestination,
  StringMatch,
  VirtualServiceSpec,
} from './virtual-service.ts';
export type {
  ClientTlsSettings,
  ConnectionPoolSettings,
  DestinationRuleSpec,
  LoadBalancerSettings,
  OutlierDetection,
  PortTrafficPolicy,
  Subset,
  TrafficPolicy,
} from './destination-rule.ts';
export type { GatewayServer, GatewaySpec } from './gateway.ts';
export type { ServiceEntryPort, ServiceEntrySpec } from './service-entry.ts';
export type { WorkloadEntrySpec } from './workload-entry.ts';
export type { SidecarEgress, SidecarIngress, SidecarSpec } from './sidecar.ts';
export type { MutualTlsMode, PeerAuthenticationSpec } from './peer-authentication.ts';
export type { ProxyConfigSpec } from './proxy-config.ts';
export type { RequestAuthenticationSpec } from './request-authentication.ts';
export type {
  AuthorizationOperation,
  AuthorizationPolicySpec,
  AuthorizationRule,
  AuthorizationSource,
} from './authorization-policy.ts';
export type { HealthCheckPolicySpec } from './health-check-policy.ts';
export type { ListenerLimitsSpec } from './listener-limits.ts';
export type { LocalRateLimitSpec, RateLimitAction, RequestLimit } from './local-rate-limit.ts';
export type { MeshConfigSpec } from './mesh-config.ts';
export type { TelemetrySpec } from './telemetry.ts';
export type { NamespaceSpec, ServicePort, ServiceSpec } from './service.ts';
export {
  ADAPTER_PARAMS,
  LEGACY_MIXER,
  TEMPLATE_PARAMS,
  type AttributeManifestSpec,
  type DenierParams,
  type HandlerSpec,
  type InstanceSpec,
  type LogEntryParams,
  type MetricParams,
  type PrometheusParams,
  type RuleSpec,
  type StdioParams,
} from './mixer.ts';
export { LOG_OPERATORS } from './log-operators.ts';
