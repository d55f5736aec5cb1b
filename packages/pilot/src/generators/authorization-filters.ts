/** AuthorizationPolicies as RBAC filters: DENY before ALLOW, each with the policies of its action. */
import { create } from '@bufbuild/protobuf';
import { FilterSchema, type Filter } from '@weft/contracts/full/envoy/config/listener/v3/listener_components';
import { RBAC_Action, RBACSchema, type Policy, type RBAC } from '@weft/contracts/full/envoy/config/rbac/v3/rbac';
import { RBACSchema as HttpRbacSchema } from '@weft/contracts/full/envoy/extensions/filters/http/rbac/v3/rbac';
import type { HttpFilter } from '@weft/contracts/full/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { RBACSchema as NetworkRbacSchema } from '@weft/contracts/full/envoy/extensions/filters/network/rbac/v3/rbac';
import type { Config, SourceRef } from '../config-store/config-object.ts';
import type { AuthorizationPolicySpec } from '../config-store/kinds.ts';
import { attachedPolicies } from '../snapshot/authorization.ts';
import { policyOfRule, type RuleContext } from './authorization-rules.ts';
import type { GeneratorContext } from './context.ts';
import { pack } from './envoy.ts';
import { httpFilter } from './http-connection-manager.ts';
import type { InboundPort } from './inbound-plan.ts';

export interface AuthorizationFilters<F> {
  readonly filters: readonly F[];
  readonly refs: readonly SourceRef[];
}

export function httpAuthorization(
  context: GeneratorContext,
  port: Pick<InboundPort, 'number' | 'listenPort'> | undefined,
): AuthorizationFilters<HttpFilter> {
  return build(context, port, 'http', (rules) =>
    httpFilter('envoy.filters.http.rbac', pack(HttpRbacSchema, { rules })),
  );
}

export function networkAuthorization(
  context: GeneratorContext,
  port: Pick<InboundPort, 'number' | 'listenPort'> | undefined,
): AuthorizationFilters<Filter> {
  return build(context, port, 'tcp', (rules) =>
    create(FilterSchema, {
      name: 'envoy.filters.network.rbac',
      configType: { case: 'typedConfig', value: pack(NetworkRbacSchema, { statPrefix: 'tcp.', rules }) },
    }),
  );
}

function build<F>(
  { snapshot, proxy }: GeneratorContext,
  port: Pick<InboundPort, 'number' | 'listenPort'> | undefined,
  traffic: 'http' | 'tcp',
  filter: (rules: RBAC) => F,
): AuthorizationFilters<F> {
  const { deny, allow } = attachedPolicies(snapshot, proxy);
  const context = (policy: Config<AuthorizationPolicySpec>, action: 'ALLOW' | 'DENY'): RuleContext => ({
    action,
    traffic,
    namespace: policy.namespace,
    trustDomains: [snapshot.mesh.trustDomain, ...snapshot.mesh.trustDomainAliases],
    port,
  });
  const rbac = (policies: readonly Config<AuthorizationPolicySpec>[], action: 'ALLOW' | 'DENY'): RBAC =>
    create(RBACSchema, {
      action: action === 'ALLOW' ? RBAC_Action.ALLOW : RBAC_Action.DENY,
      policies: Object.fromEntries(
        policies.flatMap((policy) => named(policy, context(policy, action))).toSorted(([a], [b]) => (a < b ? -1 : 1)),
      ),
    });
  return {
    // An ALLOW policy without a rule that can match denies everything: its filter stays, with nothing in it.
    filters: [
      ...(deny.length > 0 ? [filter(rbac(deny, 'DENY'))] : []),
      ...(allow.length > 0 ? [filter(rbac(allow, 'ALLOW'))] : []),
    ],
    refs: [...deny, ...allow].map((policy) => policy.ref),
  };
}

function named(policy: Config<AuthorizationPolicySpec>, context: RuleContext): readonly (readonly [string, Policy])[] {
  return (policy.spec.rules ?? []).flatMap((rule, index) => {
    const made = policyOfRule(rule, context);
    return made ? [[`ns[${policy.namespace}]-policy[${policy.name}]-rule[${index}]`, made] as const] : [];
  });
}
