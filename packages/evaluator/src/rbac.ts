import {
  type Permission,
  type Principal,
  type RBAC,
  RBAC_Action,
} from '@weft/contracts/lean/envoy/config/rbac/v3/rbac';
import type { CidrRange } from '@weft/contracts/lean/envoy/config/core/v3/address';
import type { PathMatcher } from '@weft/contracts/lean/envoy/type/matcher/v3/path';
import type { AuthorizationFacts } from './facts.ts';
import { compileHeaderMatcher, type RepeatedHeader } from './header-matcher.ts';
import { cidrTest, parseAddress } from './ip.ts';
import { compileMetadataMatcher } from './metadata-matcher.ts';
import type { RegexEngine } from './regex.ts';
import { at, type Place, refuseUnknown, reject } from './rejected.ts';
import { compileStringMatcher } from './string-matcher.ts';

export interface RbacVerdict {
  readonly allowed: boolean;
  /** The policy that matched; empty when none did. */
  readonly policy: string;
}

export interface CompiledRbac {
  readonly action: 'allow' | 'deny' | 'log';
  /** Allocates nothing: verdicts are made when the rules are compiled. */
  check(facts: AuthorizationFacts): RbacVerdict;
}

type FactTest = (facts: AuthorizationFacts) => boolean;

const ACTIONS: Readonly<Record<RBAC_Action, CompiledRbac['action']>> = {
  [RBAC_Action.ALLOW]: 'allow',
  [RBAC_Action.DENY]: 'deny',
  [RBAC_Action.LOG]: 'log',
};

/** A repeated header lets nobody in that one of its lines would keep out, and keeps out whom one of them names. */
const REPEATED: Readonly<Record<CompiledRbac['action'], RepeatedHeader>> = { allow: 'all', deny: 'any', log: 'joined' };
const OPPOSITE: Readonly<Record<RepeatedHeader, RepeatedHeader>> = { all: 'any', any: 'all', joined: 'joined' };

/**
 * Policies are tried in the order of their names; the first whose permissions and principals both match decides. ALLOW
 * denies what no policy matches, DENY allows it, LOG allows all.
 * @throws {ConfigRejectedError} also for anything it does not know: a condition left out would let more through.
 */
export function compileRbac(rules: RBAC, deps: { readonly regex: RegexEngine }, resource: string): CompiledRbac {
  const root: Place = { resource, path: 'rules' };
  refuseUnknown(rules, root);
  const action = ACTIONS[rules.action] ?? reject(at(root, 'action'), `${String(rules.action)} is not supported`);
  const repeated = REPEATED[action];
  const policies = Object.entries(rules.policies)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, policy]) => {
      const place = at(root, `policies["${name}"]`);
      refuseUnknown(policy, place);
      return {
        permitted: anyOf(
          policy.permissions.map((one, i) => permission(one, deps.regex, at(place, `permissions[${i}]`), repeated)),
          place,
        ),
        isPrincipal: anyOf(
          policy.principals.map((one, i) => principal(one, deps.regex, at(place, `principals[${i}]`), repeated)),
          place,
        ),
        verdict: { allowed: action !== 'deny', policy: name },
      };
    });
  const unmatched: RbacVerdict = { allowed: action !== 'allow', policy: '' };
  return {
    action,
    check(facts) {
      for (const { permitted, isPrincipal, verdict } of policies) {
        if (permitted(facts) && isPrincipal(facts)) return verdict;
      }
      return unmatched;
    },
  };
}

function permission(message: Permission, regex: RegexEngine, place: Place, repeated: RepeatedHeader): FactTest {
  refuseUnknown(message, place);
  const { rule } = message;
  switch (rule.case) {
    case 'andRules':
      return allOf(
        rule.value.rules.map((one, i) => permission(one, regex, at(place, `and_rules[${i}]`), repeated)),
        place,
      );
    case 'orRules':
      return anyOf(
        rule.value.rules.map((one, i) => permission(one, regex, at(place, `or_rules[${i}]`), repeated)),
        place,
      );
    case 'notRule':
      return not(permission(rule.value, regex, at(place, 'not_rule'), OPPOSITE[repeated]));
    case 'any':
      return anything(rule.value, at(place, 'any'));
    case 'header':
      return compileHeaderMatcher(rule.value, regex, at(place, 'header'), repeated);
    case 'urlPath':
      return pathTest(rule.value, regex, at(place, 'url_path'));
    case 'destinationIp':
      return ipTest(rule.value, (facts) => facts.destinationIp, at(place, 'destination_ip'));
    case 'destinationPort': {
      const port = rule.value;
      return (facts) => facts.destinationPort === port;
    }
    case 'destinationPortRange': {
      const { start, end } = rule.value;
      return (facts) => facts.destinationPort >= start && facts.destinationPort < end;
    }
    case 'metadata':
      return compileMetadataMatcher(rule.value, regex, at(place, 'metadata'));
    case 'requestedServerName': {
      const test = compileStringMatcher(rule.value, regex, at(place, 'requested_server_name'));
      return (facts) => test(facts.requestedServerName);
    }
    case undefined:
      return reject(place, 'no rule is set, or one that is not supported');
  }
}

function principal(message: Principal, regex: RegexEngine, place: Place, repeated: RepeatedHeader): FactTest {
  refuseUnknown(message, place);
  const { identifier } = message;
  switch (identifier.case) {
    case 'andIds':
      return allOf(
        identifier.value.ids.map((one, i) => principal(one, regex, at(place, `and_ids[${i}]`), repeated)),
        place,
      );
    case 'orIds':
      return anyOf(
        identifier.value.ids.map((one, i) => principal(one, regex, at(place, `or_ids[${i}]`), repeated)),
        place,
      );
    case 'notId':
      return not(principal(identifier.value, regex, at(place, 'not_id'), OPPOSITE[repeated]));
    case 'any':
      return anything(identifier.value, at(place, 'any'));
    case 'authenticated': {
      const here = at(place, 'authenticated');
      refuseUnknown(identifier.value, here);
      const { principalName } = identifier.value;
      if (principalName === undefined) return (facts) => facts.principals.length > 0;
      const test = compileStringMatcher(principalName, regex, at(here, 'principal_name'));
      return ({ principals }) => {
        for (let i = 0; i < principals.length; i += 1) if (test(principals[i] ?? '')) return true;
        return false;
      };
    }
    case 'directRemoteIp':
      return ipTest(identifier.value, (facts) => facts.directRemoteIp, at(place, 'direct_remote_ip'));
    // Envoy's older name for what it later called remote_ip.
    case 'sourceIp':
      return ipTest(identifier.value, (facts) => facts.remoteIp, at(place, 'source_ip'));
    case 'remoteIp':
      return ipTest(identifier.value, (facts) => facts.remoteIp, at(place, 'remote_ip'));
    case 'header':
      return compileHeaderMatcher(identifier.value, regex, at(place, 'header'), repeated);
    case 'urlPath':
      return pathTest(identifier.value, regex, at(place, 'url_path'));
    case 'metadata':
      return compileMetadataMatcher(identifier.value, regex, at(place, 'metadata'));
    case undefined:
      return reject(place, 'no identifier is set, or one that is not supported');
  }
}

function pathTest(matcher: PathMatcher, regex: RegexEngine, place: Place): FactTest {
  if (matcher.rule.case !== 'path') return reject(place, 'no path is set');
  const test = compileStringMatcher(matcher.rule.value, regex, at(place, 'path'));
  return (facts) => test(facts.path);
}

function ipTest(range: CidrRange, read: (facts: AuthorizationFacts) => string, place: Place): FactTest {
  const length = range.prefixLen ?? 0;
  const test = cidrTest(range.addressPrefix, length);
  if (test === undefined) return reject(place, `"${range.addressPrefix}/${length}" is not an address range`);
  return (facts) => {
    const address = parseAddress(read(facts));
    return address !== undefined && test(address);
  };
}

const anything = (value: boolean, place: Place): FactTest => (value ? () => true : reject(place, 'must be true'));

const not =
  (test: FactTest): FactTest =>
  (facts) =>
    !test(facts);

function allOf(tests: readonly FactTest[], place: Place): FactTest {
  if (tests.length === 0) return reject(place, 'the list is empty');
  const [only] = tests;
  if (tests.length === 1 && only !== undefined) return only;
  return (facts) => {
    for (const test of tests) if (!test(facts)) return false;
    return true;
  };
}

function anyOf(tests: readonly FactTest[], place: Place): FactTest {
  if (tests.length === 0) return reject(place, 'the list is empty');
  const [only] = tests;
  if (tests.length === 1 && only !== undefined) return only;
  return (facts) => {
    for (const test of tests) if (test(facts)) return true;
    return false;
  };
}
