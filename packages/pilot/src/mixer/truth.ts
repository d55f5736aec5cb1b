/** Conditions of a request as RBAC principals, folded where the answer is known now. */
import { create } from '@bufbuild/protobuf';
import { PrincipalSchema, type Principal } from '@weft/contracts/full/envoy/config/rbac/v3/rbac';
import { PEER_METADATA } from '@weft/contracts';
import type { StringMatcher } from '@weft/contracts/full/envoy/type/matcher/v3/string';

export type Truth = Principal | boolean;

/** Mixer's logic has a third answer: what reads an absent attribute fails, and then it is neither true nor false. */
export interface Verdict {
  readonly isTrue: Truth;
  readonly isFalse: Truth;
}

export const NEVER: Verdict = { isTrue: false, isFalse: false };
export const known = (value: boolean): Verdict => ({ isTrue: value, isFalse: !value });
export const not = ({ isTrue, isFalse }: Verdict): Verdict => ({ isTrue: isFalse, isFalse: isTrue });

const principal = (identifier: Principal['identifier']): Principal => create(PrincipalSchema, { identifier });

export function both(...all: readonly Truth[]): Truth {
  if (all.includes(false)) return false;
  const ids = all.filter((one): one is Principal => typeof one !== 'boolean');
  const [only] = ids;
  if (only === undefined) return true;
  return ids.length === 1 ? only : principal({ case: 'andIds', value: set(ids) });
}

export function either(...all: readonly Truth[]): Truth {
  if (all.includes(true)) return true;
  const ids = all.filter((one): one is Principal => typeof one !== 'boolean');
  const [only] = ids;
  if (only === undefined) return false;
  return ids.length === 1 ? only : principal({ case: 'orIds', value: set(ids) });
}

export const negate = (one: Truth): Truth =>
  typeof one === 'boolean' ? !one : principal({ case: 'notId', value: one });

/** As the language evaluates: the right side counts only where the left one has an answer. */
export const andThen = (a: Verdict, b: Verdict): Verdict => ({
  isTrue: both(a.isTrue, b.isTrue),
  isFalse: either(a.isFalse, both(a.isTrue, b.isFalse)),
});
export const orElse = (a: Verdict, b: Verdict): Verdict => ({
  isTrue: either(a.isTrue, both(a.isFalse, b.isTrue)),
  isFalse: both(a.isFalse, b.isFalse),
});

const set = (ids: Principal[]) => ({ $typeName: 'envoy.config.rbac.v3.Principal.Set' as const, ids });

export const anybody = (): Principal => principal({ case: 'any', value: true });

/** A caller with a certificate; with `name`, one of that name. */
export const authenticated = (name?: StringMatcher): Principal =>
  principal({
    case: 'authenticated',
    value: { $typeName: 'envoy.config.rbac.v3.Principal.Authenticated', ...(name ? { principalName: name } : {}) },
  });

const headerMatcher = { $typeName: 'envoy.config.route.v3.HeaderMatcher' as const, invertMatch: false };

export const header = (name: string, value: StringMatcher): Principal =>
  principal({
    case: 'header',
    value: {
      ...headerMatcher,
      name,
      treatMissingHeaderAsEmpty: false,
      headerMatchSpecifier: { case: 'stringMatch', value },
    },
  });

export const headerPresent = (name: string): Principal =>
  principal({
    case: 'header',
    value: {
      ...headerMatcher,
      name,
      treatMissingHeaderAsEmpty: false,
      headerMatchSpecifier: { case: 'presentMatch', value: true },
    },
  });

export const urlPath = (value: StringMatcher): Principal =>
  principal({
    case: 'urlPath',
    value: { $typeName: 'envoy.type.matcher.v3.PathMatcher', rule: { case: 'path', value } },
  });

/** The workload that the peer's sidecar named; Envoy has no such metadata, so there it is nobody. */
export const peerWorkload = (matcher: StringMatcher): Principal =>
  principal({
    case: 'metadata',
    value: {
      $typeName: 'envoy.type.matcher.v3.MetadataMatcher',
      filter: PEER_METADATA,
      path: [
        { $typeName: 'envoy.type.matcher.v3.MetadataMatcher.PathSegment', segment: { case: 'key', value: 'workload' } },
      ],
      invert: false,
      value: {
        $typeName: 'envoy.type.matcher.v3.ValueMatcher',
        matchPattern: { case: 'stringMatch', value: matcher },
      },
    },
  });
