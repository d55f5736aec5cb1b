import {
  RBACPerRouteSchema,
  RBACSchema,
  type RBAC,
} from '@weft/contracts/lean/envoy/extensions/filters/http/rbac/v3/rbac';
import { type CompiledRbac, compileRbac, ConfigRejectedError } from '@weft/evaluator';
import { unpack } from '../../../runtime/any.ts';
import type { FilterDeps, FilterStatus, FilterStream, HttpFilter, HttpFilterFactory } from '../http-filter.ts';

/** undefined rules let everything pass. */
export interface RbacConfig {
  readonly rules: CompiledRbac | undefined;
}

const compileRules = (message: RBAC | undefined, deps: FilterDeps, resource: string): RbacConfig => ({
  rules: message?.rules === undefined ? undefined : compileRbac(message.rules, deps, resource),
});

class RbacFilter implements HttpFilter {
  readonly name = 'envoy.filters.http.rbac';
  readonly #rules: CompiledRbac;

  constructor(rules: CompiledRbac) {
    this.#rules = rules;
  }

  onRequestHead(stream: FilterStream): FilterStatus {
    const { allowed, policy } = this.#rules.check(stream);
    if (allowed) return 'continue';
    stream.reply('rbac-denied', { details: `rbac_access_denied_matched_policy[${policy === '' ? 'none' : policy}]` });
    return 'replied';
  }
}

export const rbacFilter: HttpFilterFactory<RbacConfig> = {
  typeName: RBACSchema.typeName,
  routeTypeNames: [RBACPerRouteSchema.typeName],
  parse(packed, deps, resource) {
    const message = unpack(packed, RBACSchema, resource);
    if (message === undefined)
      throw new ConfigRejectedError(resource, `rbac filter: ${packed.typeUrl} is not its configuration`);
    return compileRules(message, deps, resource);
  },
  parseRoute(packed, deps, resource) {
    const message = unpack(packed, RBACPerRouteSchema, resource);
    if (message === undefined)
      throw new ConfigRejectedError(resource, `rbac filter: ${packed.typeUrl} is not its route configuration`);
    return compileRules(message.rbac, deps, resource);
  },
  compile(config, routeConfig) {
    const { rules } = routeConfig ?? config;
    return rules === undefined ? undefined : new RbacFilter(rules);
  },
};
