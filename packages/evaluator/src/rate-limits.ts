// What a request is counted as: the `rate_limits` of routes and virtual hosts make descriptors of it.
import type { RateLimit, RateLimit_Action } from '@weft/contracts/lean/envoy/config/route/v3/route_components';
import { type AuthorizationFacts, headerReader } from './facts.ts';
import { compileHeaderMatcher, compileQueryMatcher } from './header-matcher.ts';
import { maskedAddress } from './ip.ts';
import type { RegexEngine } from './regex.ts';
import { at, type Place, reject } from './rejected.ts';

/** What descriptors are made of. */
export interface DescribedRequest extends AuthorizationFacts {
  /** Where the route leads. */
  readonly clusterName: string;
}

/** One entry as text; `''` adds none, undefined drops the whole descriptor. */
type EntryOf = (request: DescribedRequest) => string | undefined;

export interface RateLimitRule {
  /** Which filters look at it: those of the same stage. */
  readonly stage: number;
  /** The descriptor of a request as text, undefined when it has none. */
  readonly describe: EntryOf;
}

/** What a route and its virtual host count requests as. */
export interface RateLimitRules {
  readonly route: readonly RateLimitRule[];
  readonly host: readonly RateLimitRule[];
  /** Those of the host count beside the route's own. */
  readonly includeHost: boolean;
}

export const NO_RATE_LIMITS: RateLimitRules = { route: [], host: [], includeHost: false };

export const compileRateLimits = (limits: readonly RateLimit[], regex: RegexEngine, place: Place): RateLimitRule[] =>
  limits.map((limit, i) => compileRule(limit, regex, at(place, `rate_limits[${i}]`)));

/** Keys and values may hold anything but NUL, which no header holds. */
export const entryText = (key: string, value: string): string => `${key}\0${value}\0`;

function compileRule(limit: RateLimit, regex: RegexEngine, place: Place): RateLimitRule {
  const stage = limit.stage ?? 0;
  if (stage > 10) return reject(at(place, 'stage'), `${stage} is above 10`);
  if (limit.actions.length === 0) return reject(place, 'has no actions');
  const entries = limit.actions.map((action, i) => compileAction(action, regex, at(place, `actions[${i}]`)));
  return {
    stage,
    describe(request) {
      let text = '';
      for (const entry of entries) {
        const one = entry(request);
        if (one === undefined) return undefined;
        text += one;
      }
      return text === '' ? undefined : text;
    },
  };
}

const present = (key: string, value: string): string | undefined => (value === '' ? undefined : entryText(key, value));

function compileAction({ actionSpecifier }: RateLimit_Action, regex: RegexEngine, place: Place): EntryOf {
  switch (actionSpecifier.case) {
    case 'destinationCluster':
      return ({ clusterName }) => present('destination_cluster', clusterName);
    case 'requestHeaders': {
      const { headerName, descriptorKey, skipIfAbsent } = actionSpecifier.value;
      const read = headerReader(headerName);
      if (headerName === '' || descriptorKey === '') return reject(place, 'header_name or descriptor_key is empty');
      return (request) => {
        const value = read(request);
        if (value === undefined) return skipIfAbsent ? '' : undefined;
        return entryText(descriptorKey, value);
      };
    }
    case 'remoteAddress':
      return ({ remoteIp }) => present('remote_address', remoteIp);
    case 'maskedRemoteAddress': {
      const { v4PrefixMaskLen: v4 = 32, v6PrefixMaskLen: v6 = 128 } = actionSpecifier.value;
      if (v4 > 32 || v6 > 128) return reject(place, 'the mask is longer than the address');
      return ({ remoteIp }) => present('masked_remote_address', maskedAddress(remoteIp, v4, v6) ?? '');
    }
    case 'genericKey': {
      const { descriptorKey, descriptorValue } = actionSpecifier.value;
      if (descriptorValue === '') return reject(place, 'descriptor_value is empty');
      const text = entryText(descriptorKey === '' ? 'generic_key' : descriptorKey, descriptorValue);
      return () => text;
    }
    case 'headerValueMatch': {
      const { descriptorKey, descriptorValue, expectMatch = true, headers } = actionSpecifier.value;
      const text = entryText(descriptorKey === '' ? 'header_match' : descriptorKey, descriptorValue);
      const tests = headers.map((header, i) => compileHeaderMatcher(header, regex, at(place, `headers[${i}]`)));
      return (request) => (tests.every((test) => test(request)) === expectMatch ? text : undefined);
    }
    case 'queryParameterValueMatch': {
      const { descriptorKey, descriptorValue, expectMatch = true, queryParameters } = actionSpecifier.value;
      const text = entryText(descriptorKey === '' ? 'query_match' : descriptorKey, descriptorValue);
      const tests = queryParameters.map((parameter, i) =>
        compileQueryMatcher(parameter, regex, at(place, `query_parameters[${i}]`)),
      );
      return (request) => (tests.every((test) => test(request)) === expectMatch ? text : undefined);
    }
    case 'sourceCluster':
      return reject(place, 'source_cluster is not supported');
    case undefined:
      return reject(place, 'no action is set, or one that is not supported');
  }
}
