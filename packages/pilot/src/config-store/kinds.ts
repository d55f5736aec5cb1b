/** Short names for the parts of user configuration that the control plane reads; the schemas are in contracts. */
import type {
  AuthorizationRule,
  ClientTlsSettings,
  ConnectionPoolSettings,
  HttpFaultInjection,
  HttpMatchRequest,
  HttpRoute,
  LoadBalancerSettings,
  MutualTlsMode,
  PortTrafficPolicy as PortSettings,
  VirtualServiceSpec,
} from '@weft/contracts/config';

export type {
  AuthorizationOperation,
  AuthorizationPolicySpec,
  AuthorizationRule,
  AuthorizationSource,
  CorsPolicy,
  Destination,
  DestinationRuleSpec,
  GatewayServer,
  GatewaySpec,
  HeaderOperations,
  HealthCheckPolicySpec,
  MeshConfigSpec,
  ListenerLimitsSpec,
  HttpRetry,
  HttpRoute,
  LocalRateLimitSpec,
  OutlierDetection,
  PeerAuthenticationSpec,
  ProxyConfigSpec,
  RateLimitAction,
  RequestLimit,
  ServiceEntrySpec,
  ServiceSpec,
  SidecarEgress,
  SidecarIngress,
  SidecarSpec,
  Subset,
  TelemetrySpec,
  TrafficPolicy,
  VirtualServiceSpec,
  WorkloadEntrySpec,
} from '@weft/contracts/config';

export interface StringMatch {
  readonly exact?: string;
  readonly prefix?: string;
  readonly regex?: string;
}

export type HttpMatch = HttpMatchRequest;
export type HttpFault = HttpFaultInjection;
export type HttpRedirect = NonNullable<HttpRoute['redirect']>;
export type HttpDirectResponse = NonNullable<HttpRoute['directResponse']>;
export type Headers = NonNullable<HttpRoute['headers']>;
export type Percent = NonNullable<HttpRoute['mirrorPercentage']>;
export type L4Match = NonNullable<NonNullable<VirtualServiceSpec['tcp']>[number]['match']>[number];
export type ClientTls = ClientTlsSettings;
export type ConnectionPool = ConnectionPoolSettings;
export type LoadBalancer = LoadBalancerSettings;
export type ConsistentHash = NonNullable<LoadBalancerSettings['consistentHash']>;
export type PortTrafficPolicy = Omit<PortSettings, 'port'>;
export type MtlsMode = MutualTlsMode;
export type AuthorizationCondition = NonNullable<AuthorizationRule['when']>[number];
