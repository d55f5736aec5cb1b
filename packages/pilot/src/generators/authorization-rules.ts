/** One rule of an AuthorizationPolicy as an RBAC policy. */
import { create } from '@bufbuild/protobuf';
import { CidrRangeSchema, type CidrRange } from '@weft/contracts/full/envoy/config/core/v3/address';
import {
  PermissionSchema,
  PolicySchema,
  PrincipalSchema,
  type Permission,
  type Policy,
  type Principal,
} from '@weft/contracts/full/envoy/config/rbac/v3/rbac';
import type { StringMatcher } from '@weft/contracts/full/envoy/type/matcher/v3/string';
import type {
  AuthorizationCondition,
  AuthorizationOperation,
  AuthorizationRule,
  AuthorizationSource,
} from '../config-store/kinds.ts';
import { regexMatcher, stringMatcher } from './envoy.ts';

export interface RuleContext {
  readonly action: 'ALLOW' | 'DENY';
  readonly traffic: 'http' | 'tcp';
  /** Of the policy: `serviceAccounts` without a namespace belong to it. */
  readonly namespace: string;
  /** The mesh's own first. */
  readonly trustDomains: readonly string[];
  /** The port that the filter guards: policies name the workload's own port number. */
  readonly port: { readonly number: number; readonly listenPort: number } | undefined;
}

/** A condition that can not be decided here: HTTP facts on a TCP port, or what is not enforced yet. */
const UNDECIDABLE: unique symbol = Symbol('undecidable');
type Term<T> = T | typeof UNDECIDABLE;

/**
 * Fails closed: a rule that ALLOWs on a condition which can not be decided is dropped (undefined), one that DENYs loses only
 * that condition and denies more.
 */
export function policyOfRule(rule: AuthorizationRule, context: RuleContext): Policy | undefined {
  const conditions = (rule.when ?? []).map((condition) => whenTerm(condition, context));
  const principals = anyOf(
    (rule.from ?? []).map(({ source }) => allOf(sourceTerms(source ?? {}, context), context, andIds)),
    orIds,
    ANY_PRINCIPAL,
  );
  const permissions = anyOf(
    (rule.to ?? []).map(({ operation }) => allOf(operationTerms(operation ?? {}, context), context, andRules)),
    orRules,
    ANY_PERMISSION,
  );
  const whenPrincipals = allOf(conditions.map((condition) => condition.principal).filter(isPresent), context, andIds);
  const whenPermissions = allOf(
    conditions.map((condition) => condition.permission).filter(isPresent),
    context,
    andRules,
  );
  if (
    principals === undefined ||
    permissions === undefined ||
    whenPrincipals === undefined ||
    whenPermissions === undefined
  )
    return undefined;
  return create(PolicySchema, {
    permissions: [rule.when === undefined ? permissions : andRules([permissions, whenPermissions])],
    principals: [rule.when === undefined ? principals : andIds([principals, whenPrincipals])],
  });
}

const isPresent = <T>(value: T | undefined): value is T => value !== undefined;

const principal = (identifier: Principal['identifier']): Principal => create(PrincipalSchema, { identifier });
const permission = (rule: Permission['rule']): Permission => create(PermissionSchema, { rule });
const ANY_PRINCIPAL = (): Principal => principal({ case: 'any', value: true });
const ANY_PERMISSION = (): Permission => permission({ case: 'any', value: true });
const andIds = (ids: Principal[]): Principal =>
  ids.length === 0
    ? ANY_PRINCIPAL()
    : ids.length === 1 && ids[0]
      ? ids[0]
      : create(PrincipalSchema, { identifier: { case: 'andIds', value: { ids } } });
const orIds = (ids: Principal[]): Principal =>
  ids.length === 1 && ids[0] ? ids[0] : create(PrincipalSchema, { identifier: { case: 'orIds', value: { ids } } });
const andRules = (rules: Permission[]): Permission =>
  rules.length === 0
    ? ANY_PERMISSION()
    : rules.length === 1 && rules[0]
      ? rules[0]
      : create(PermissionSchema, { rule: { case: 'andRules', value: { rules } } });
const orRules = (rules: Permission[]): Permission =>
  rules.length === 1 && rules[0] ? rules[0] : create(PermissionSchema, { rule: { case: 'orRules', value: { rules } } });
const notId = (value: Principal): Principal => create(PrincipalSchema, { identifier: { case: 'notId', value } });
const notRule = (value: Permission): Permission => create(PermissionSchema, { rule: { case: 'notRule', value } });

/** @returns undefined when the conjunction can never be shown to hold. */
function allOf<T>(terms: readonly Term<T>[], context: RuleContext, and: (terms: T[]) => T): T | undefined {
  const decided = terms.filter((term): term is T => term !== UNDECIDABLE);
  return decided.length < terms.length && context.action === 'ALLOW' ? undefined : and(decided);
}

/** Without alternatives anything will do; when every alternative fell away, nothing will. */
function anyOf<T>(alternatives: readonly (T | undefined)[], or: (terms: T[]) => T, any: () => T): T | undefined {
  if (alternatives.length === 0) return any();
  const left = alternatives.filter(isPresent);
  return left.length === 0 ? undefined : or(left);
}

/** `values`: any of them; `notValues`: none of them. */
function terms<T>(
  values: readonly string[] | undefined,
  notValues: readonly string[] | undefined,
  make: ((value: string) => T) | undefined,
  or: (terms: T[]) => T,
  not: (term: T) => T,
): readonly Term<T>[] {
  const has = (list: readonly string[] | undefined): list is readonly string[] => list !== undefined && list.length > 0;
  if (!make) return has(values) || has(notValues) ? [UNDECIDABLE] : [];
  return [...(has(values) ? [or(values.map(make))] : []), ...(has(notValues) ? [not(or(notValues.map(make)))] : [])];
}

const ids = (
  values: readonly string[] | undefined,
  notValues: readonly string[] | undefined,
  make: ((value: string) => Principal) | undefined,
): readonly Term<Principal>[] => terms(values, notValues, make, orIds, notId);
const rules = (
  values: readonly string[] | undefined,
  notValues: readonly string[] | undefined,
  make: ((value: string) => Permission) | undefined,
): readonly Term<Permission>[] => terms(values, notValues, make, orRules, notRule);

function sourceTerms(source: AuthorizationSource, context: RuleContext): readonly Term<Principal>[] {
  return [
    ...ids(source.principals, source.notPrincipals, (value) => peerPrincipal(value, context)),
    ...ids(source.requestPrincipals, source.notRequestPrincipals, undefined),
    ...ids(source.namespaces, source.notNamespaces, peerNamespace),
    ...ids(source.serviceAccounts, source.notServiceAccounts, (value) => peerAccount(value, context)),
    ...ids(source.ipBlocks, source.notIpBlocks, (value) => principal({ case: 'directRemoteIp', value: cidr(value) })),
    ...ids(source.remoteIpBlocks, source.notRemoteIpBlocks, (value) =>
      principal({ case: 'remoteIp', value: cidr(value) }),
    ),
  ];
}

function operationTerms(operation: AuthorizationOperation, context: RuleContext): readonly Term<Permission>[] {
  const onHttp = (make: (value: string) => Permission): ((value: string) => Permission) | undefined =>
    context.traffic === 'http' ? make : undefined;
  return [
    ...rules(operation.hosts, operation.notHosts, onHttp(hostRule)),
    ...rules(operation.ports, operation.notPorts, (value) => portRule(value, context)),
    ...rules(
      operation.methods,
      operation.notMethods,
      onHttp((value) => headerRule(':method', valueMatcher(value))),
    ),
    ...rules(operation.paths, operation.notPaths, onHttp(pathRule)),
  ];
}

interface WhenTerm {
  readonly principal?: Term<Principal>;
  readonly permission?: Term<Permission>;
}

function whenTerm({ key, values, notValues }: AuthorizationCondition, context: RuleContext): WhenTerm {
  const byPrincipal = (make: ((value: string) => Principal) | undefined): WhenTerm => ({
    principal: joinTerms(ids(values, notValues, make), andIds),
  });
  const byPermission = (make: ((value: string) => Permission) | undefined): WhenTerm => ({
    permission: joinTerms(rules(values, notValues, make), andRules),
  });
  const header = /^request\.headers\[(.+)\]$/.exec(key)?.[1];
  if (header !== undefined)
    return byPrincipal(
      context.traffic === 'http' ? (value) => headerPrincipal(header.toLowerCase(), value) : undefined,
    );
  switch (key) {
    case 'source.ip':
      return byPrincipal((value) => principal({ case: 'directRemoteIp', value: cidr(value) }));
    case 'remote.ip':
      return byPrincipal((value) => principal({ case: 'remoteIp', value: cidr(value) }));
    case 'source.namespace':
      return byPrincipal(peerNamespace);
    case 'source.principal':
      return byPrincipal((value) => peerPrincipal(value, context));
    case 'source.serviceAccount':
      return byPrincipal((value) => peerAccount(value, context));
    case 'destination.ip':
      return byPermission((value) => permission({ case: 'destinationIp', value: cidr(value) }));
    case 'destination.port':
      return byPermission((value) => portRule(value, context));
    case 'connection.sni':
      return byPermission((value) => permission({ case: 'requestedServerName', value: valueMatcher(value) }));
    default:
      return byPrincipal(undefined);
  }
}

function joinTerms<T>(list: readonly Term<T>[], and: (terms: T[]) => T): Term<T> {
  const decided = list.filter((term): term is T => term !== UNDECIDABLE);
  return decided.length < list.length ? UNDECIDABLE : and(decided);
}

/** `*abc` ends with, `abc*` begins with, `*` is there; a leading `*` is looked at first. */
function valueMatcher(value: string, prefix = '', ignoreCase = false): StringMatcher {
  if (value === '*') return regexMatcher('.+');
  if (value.startsWith('*')) return stringMatcher('suffix', value.slice(1), ignoreCase);
  if (value.endsWith('*')) return stringMatcher('prefix', prefix + value.slice(0, -1), ignoreCase);
  return stringMatcher('exact', prefix + value, ignoreCase);
}

const authenticated = (principalName: StringMatcher): Principal =>
  principal({
    case: 'authenticated',
    value: { $typeName: 'envoy.config.rbac.v3.Principal.Authenticated', principalName },
  });

/** Names of the mesh's own trust domain hold for its aliases too. */
function peerPrincipal(value: string, { trustDomains }: RuleContext): Principal {
  const slash = value.indexOf('/');
  const domain = slash < 0 ? '' : value.slice(0, slash);
  const names = trustDomains.includes(domain) ? trustDomains.map((other) => other + value.slice(slash)) : [value];
  return orIds(names.map((name) => authenticated(valueMatcher(name, 'spiffe://'))));
}

const escapeRegex = (text: string): string => text.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`);

const peerNamespace = (value: string): Principal =>
  authenticated(regexMatcher(`.*/ns/${escapeRegex(value).replaceAll('*', '.*')}/.*`));

function peerAccount(value: string, context: RuleContext): Principal {
  const [namespace, account] = value.includes('/') ? value.split('/') : [context.namespace, value];
  return authenticated(
    regexMatcher(`spiffe://[^/]+/ns/${escapeRegex(namespace ?? '')}/sa/${escapeRegex(account ?? '')}`),
  );
}

function cidr(value: string): CidrRange {
  const [addressPrefix = '', length] = value.split('/');
  return create(CidrRangeSchema, {
    addressPrefix,
    prefixLen: length === undefined ? (addressPrefix.includes(':') ? 128 : 32) : Number(length),
  });
}

function portRule(value: string, { port }: RuleContext): Permission {
  const number = Number(value);
  return permission({ case: 'destinationPort', value: port && number === port.number ? port.listenPort : number });
}

const headerMatch = (name: string, value: StringMatcher) => ({
  $typeName: 'envoy.config.route.v3.HeaderMatcher' as const,
  name,
  invertMatch: false,
  treatMissingHeaderAsEmpty: false,
  headerMatchSpecifier: { case: 'stringMatch' as const, value },
});

const headerRule = (name: string, value: StringMatcher): Permission =>
  permission({ case: 'header', value: headerMatch(name, value) });
const headerPrincipal = (name: string, value: string): Principal =>
  principal({ case: 'header', value: headerMatch(name, valueMatcher(value)) });

/**
 * A host is the same host in any case, with the root's dot, and, unless the rule names a port, at any port: a caller who
 * adds one must not get around the rule.
 */
function hostRule(value: string): Permission {
  const open = value === '*' || (value.endsWith('*') && !value.startsWith('*'));
  if (open || /:\d+$/.test(value)) return headerRule(':authority', valueMatcher(value, '', true));
  const [any, name] = value.startsWith('*') ? ['.*', value.slice(1)] : ['', value];
  return headerRule(
    ':authority',
    regexMatcher(String.raw`(?i)${any}${escapeRegex(name).replaceAll('*', String.raw`\*`)}\.?(:[0-9]*)?`),
  );
}

/** `{*}` stands for one segment, `{**}` for the rest. */
function pathRule(value: string): Permission {
  const matcher = /\{\*\*?\}/.test(value)
    ? regexMatcher(
        value
          .split(/(\{\*\*?\})/)
          .map((part) =>
            part === '{*}' ? '[^/]+' : part === '{**}' ? '.*' : escapeRegex(part).replaceAll('*', String.raw`\*`),
          )
          .join(''),
      )
    : valueMatcher(value);
  return permission({
    case: 'urlPath',
    value: { $typeName: 'envoy.type.matcher.v3.PathMatcher', rule: { case: 'path', value: matcher } },
  });
}
