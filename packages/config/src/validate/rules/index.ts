import type { KindName } from '@weft/contracts/config';
import { destinationRule } from './destination-rule.ts';
import { gateway } from './gateway.ts';
import { healthCheckPolicy } from './health-check-policy.ts';
import { listenerLimits } from './listener-limits.ts';
import { handler, instance, mixerRule, prometheus } from './mixer.ts';
import { localRateLimit } from './local-rate-limit.ts';
import { meshConfig } from './mesh-config.ts';
import type { Rule } from './rule.ts';
import { authorizationPolicy, peerAuthentication, requestAuthentication } from './security.ts';
import { serviceEntry, workloadEntry } from './service-entry.ts';
import { service } from './service.ts';
import { sidecar } from './sidecar.ts';
import { telemetry } from './telemetry.ts';
import { virtualService } from './virtual-service.ts';

/** The rules of each kind; kinds without an entry are told all by their schema. */
export const RULES: { readonly [Kind in KindName]?: Rule<Kind> } = {
  Gateway: gateway,
  VirtualService: virtualService,
  DestinationRule: destinationRule,
  ServiceEntry: serviceEntry,
  WorkloadEntry: workloadEntry,
  Sidecar: sidecar,
  PeerAuthentication: peerAuthentication,
  RequestAuthentication: requestAuthentication,
  AuthorizationPolicy: authorizationPolicy,
  Telemetry: telemetry,
  LocalRateLimit: localRateLimit,
  HealthCheckPolicy: healthCheckPolicy,
  MeshConfig: meshConfig,
  ListenerLimits: listenerLimits,
  Service: service,
  handler,
  instance,
  rule: mixerRule,
  prometheus,
};
export type { Rule, RuleContext } from './rule.ts';
