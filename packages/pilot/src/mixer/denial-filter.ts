/**
 * The denials that concern one port of a workload, as one RBAC filter in front of all others. Connections of TCP do not say
 * which workload of an account calls: there an account is denied what any of its workloads is denied.
 */
import { create } from '@bufbuild/protobuf';
import {
  PermissionSchema,
  PolicySchema,
  RBAC_Action,
  RBACSchema,
  type Policy,
  type RBAC,
} from '@weft/contracts/full/envoy/config/rbac/v3/rbac';
import { FilterSchema, type Filter } from '@weft/contracts/full/envoy/config/listener/v3/listener_components';
import { RBACSchema as NetworkRbacSchema } from '@weft/contracts/full/envoy/extensions/filters/network/rbac/v3/rbac';
import { RBACSchema as HttpRbacSchema } from '@weft/contracts/full/envoy/extensions/filters/http/rbac/v3/rbac';
import type { RegisteredWorkload } from '@weft/contracts';
import type { HttpFilter } from '@weft/contracts/full/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import type { SourceRef } from '../config-store/config-object.ts';
import type { AuthorizationFilters } from '../generators/authorization-filters.ts';
import type { GeneratorContext } from '../generators/context.ts';
import { pack, stringMatcher } from '../generators/envoy.ts';
import { httpFilter } from '../generators/http-connection-manager.ts';
import type { InboundPort } from '../generators/inbound-plan.ts';
import { identityOf } from '../model/identity.ts';
import { decide, type EndFacts } from './decide.ts';
import type { Denial } from './denials.ts';
import { anybody, authenticated, both, either, negate, peerWorkload, type Truth } from './truth.ts';

/** Rules here hold for the whole mesh, as the services of Mixer have it. */
const MESH_WIDE: ReadonlySet<string> = new Set(['istio-system', 'weft-system']);

/** A port that nobody declared has no service, and no number of its own when the rest of them are meant. */
type Port = Pick<InboundPort, 'services'> & { readonly number: number | undefined };

export const httpDenials = (context: GeneratorContext, port: Port): AuthorizationFilters<HttpFilter> =>
  build(context, port, 'http', (rules) => httpFilter('envoy.filters.http.rbac', pack(HttpRbacSchema, { rules })));

export const networkDenials = (context: GeneratorContext, port: Port): AuthorizationFilters<Filter> =>
  build(context, port, 'tcp', (rules) =>
    create(FilterSchema, {
      name: 'envoy.filters.network.rbac',
      configType: { case: 'typedConfig', value: pack(NetworkRbacSchema, { statPrefix: 'tcp.', rules }) },
    }),
  );

function build<F>(
  { snapshot, proxy }: GeneratorContext,
  port: Port,
  traffic: 'http' | 'tcp',
  filter: (rules: RBAC) => F,
): AuthorizationFilters<F> {
  const { mesh } = snapshot;
  const inScope = snapshot.denials.filter(
    ({ namespace }) => MESH_WIDE.has(namespace) || namespace === mesh.rootNamespace || namespace === proxy.namespace,
  );
  const [service] = port.services;
  const destination: EndFacts = {
    ...factsOf(proxy, mesh.trustDomain),
    workload: proxy.name,
    ...(port.number === undefined ? {} : { port: port.number }),
    ...(service ? { service: { host: service.hostname, name: service.name, namespace: service.namespace } } : {}),
  };
  const policies: (readonly [string, Policy])[] = [];
  const refs: SourceRef[] = [];
  for (const denial of inScope) {
    const from = (source: EndFacts): Truth =>
      denial.match === undefined ? true : decide(denial.match, { source, destination, traffic }).isTrue;
    const who = denied(denial, from, [...snapshot.workloads.values()], mesh.trustDomain);
    if (who === false) continue;
    refs.push(denial.ref);
    policies.push([
      `mixer-ns[${denial.namespace}]-rule[${denial.name}]`,
      create(PolicySchema, {
        permissions: [create(PermissionSchema, { rule: { case: 'any', value: true } })],
        principals: [who === true ? anybody() : who],
      }),
    ]);
  }
  if (policies.length === 0) return { filters: [], refs };
  const rules = create(RBACSchema, { action: RBAC_Action.DENY, policies: Object.fromEntries(policies) });
  return { filters: [filter(rules)], refs };
}

interface Member {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly labels: Readonly<Record<string, string>>;
}

function factsOf({ namespace, serviceAccount, labels }: Member, trustDomain: string): EndFacts {
  const id = identityOf(trustDomain, namespace, serviceAccount);
  return { namespace, labels, ...(id === undefined ? {} : { principal: id.slice('spiffe://'.length) }) };
}

/** The requests that a rule denies at this destination. */
function denied(
  { readsSource }: Denial,
  from: (source: EndFacts) => Truth,
  workloads: readonly RegisteredWorkload[],
  trustDomain: string,
): Truth {
  if (!readsSource) return from({});
  const accounts = new Map<string, RegisteredWorkload[]>();
  for (const workload of workloads) {
    const id = identityOf(trustDomain, workload.namespace, workload.serviceAccount);
    if (id === undefined) continue;
    const others = accounts.get(id);
    if (others) others.push(workload);
    else accounts.set(id, [workload]);
  }
  const callers = [...accounts]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, members]): Truth => {
      const caller = authenticated(stringMatcher('exact', id));
      return both(
        caller,
        ofAccount(members, (one) => from({ ...factsOf(one, trustDomain), workload: one.name })),
      );
    });
  const strangers = both(...[...accounts.keys()].map((id) => negate(authenticated(stringMatcher('exact', id)))));
  return either(...callers, both(strangers, from({})));
}

/**
 * The certificate says which account calls; which of its workloads, the caller says itself. Who says nothing, or names none
 * of them, is denied what any of them is denied.
 */
function ofAccount(members: readonly RegisteredWorkload[], from: (one: RegisteredWorkload) => Truth): Truth {
  const sorted = members.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const outcomes = sorted.map((one) => ({
    who: peerWorkload(stringMatcher('prefix', `${one.name};${one.namespace};`)),
    is: from(one),
  }));
  if (outcomes.every(({ is }) => typeof is === 'boolean')) {
    if (outcomes.every(({ is }) => is === true)) return true;
    if (outcomes.every(({ is }) => is === false)) return false;
    return both(...outcomes.filter(({ is }) => is === false).map(({ who }) => negate(who)));
  }
  const anonymous = both(...outcomes.map(({ who }) => negate(who)), either(...outcomes.map(({ is }) => is)));
  return either(...outcomes.map(({ who, is }) => both(who, is)), anonymous);
}
