import { fromBinary } from '@bufbuild/protobuf';
import {
  type RetryPolicy as RetryPolicyMessage,
  RetryPolicy_ResetHeaderFormat as ResetFormat,
} from '@weft/contracts/lean/envoy/config/route/v3/route_components';
import { OmitCanaryHostsPredicateSchema } from '@weft/contracts/lean/envoy/extensions/retry/host/omit_canary_hosts/v3/omit_canary_hosts';
import { OmitHostMetadataConfigSchema } from '@weft/contracts/lean/envoy/extensions/retry/host/omit_host_metadata/v3/omit_host_metadata_config';
import { PreviousHostsPredicateSchema } from '@weft/contracts/lean/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts';
import { PreviousPrioritiesConfigSchema } from '@weft/contracts/lean/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config';
import { millis } from './durations.ts';
import { compileHeaderMatcher, type RequestTest } from './header-matcher.ts';
import type { RegexEngine } from './regex.ts';
import { at, type Place, reject } from './rejected.ts';

/** When and how often to try again. */
export interface RetryPolicy {
  /** Conditions by Envoy's names, and Weft's own; names that nobody knows are kept and have no effect. */
  readonly retryOn: ReadonlySet<string>;
  readonly numRetries: number;
  /** undefined or 0: the route's timeout alone. */
  readonly perTryTimeoutMs: number | undefined;
  readonly perTryIdleTimeoutMs: number | undefined;
  readonly baseIntervalMs: number;
  readonly maxIntervalMs: number;
  readonly retriableStatusCodes: ReadonlySet<number>;
  /** Tests over response headers; pseudo-headers other than `:status` are empty there. */
  readonly retriableHeaders: readonly RequestTest[];
  /** Prefer hosts that this request has not tried. */
  readonly avoidPreviousHosts: boolean;
  /** Hosts that are left to first attempts: those whose `envoy.lb` metadata hold all pairs of one of these. */
  readonly omittedHosts: readonly Readonly<Record<string, unknown>>[];
  /** How often to ask the balancer again for another host. */
  readonly hostSelectionAttempts: number;
  /** After so many attempts hosts of another priority are preferred to those tried; 0 = never. */
  readonly otherPriorityEvery: number;
  /** Response headers that say when to come back; undefined: none are looked at. */
  readonly rateLimited: RateLimitedBackoff | undefined;
  /** Which answers below 400 may be tried again: those that carry a grpc-status, or any by a header or listed status. */
  readonly looksAtSuccess: 'no' | 'grpc' | 'all';
}

export interface RateLimitedBackoff {
  /** The first that is there counts. Names are in lower case. */
  readonly headers: readonly { readonly name: string; readonly format: 'seconds' | 'unix-time' }[];
  /** Longer waits than this are not taken from a header. */
  readonly maxIntervalMs: number;
}

const DEFAULT_BASE_INTERVAL_MS = 25;

export function compileRetryPolicy(policy: RetryPolicyMessage, regex: RegexEngine, place: Place): RetryPolicy {
  const baseIntervalMs = millis(policy.retryBackOff?.baseInterval) ?? DEFAULT_BASE_INTERVAL_MS;
  const maxIntervalMs = millis(policy.retryBackOff?.maxInterval) ?? baseIntervalMs * 10;
  if (baseIntervalMs <= 0) return reject(at(place, 'retry_back_off.base_interval'), 'must be above 0');
  if (maxIntervalMs < baseIntervalMs) {
    return reject(at(place, 'retry_back_off.max_interval'), 'must not be below base_interval');
  }
  const retryOn = new Set(
    policy.retryOn
      .split(',')
      .map((condition) => condition.trim())
      .filter((condition) => condition !== ''),
  );
  return {
    retryOn,
    looksAtSuccess: looksAtSuccess(policy, retryOn),
    numRetries: policy.numRetries ?? 1,
    perTryTimeoutMs: millis(policy.perTryTimeout),
    perTryIdleTimeoutMs: millis(policy.perTryIdleTimeout),
    baseIntervalMs,
    maxIntervalMs,
    retriableStatusCodes: new Set(policy.retriableStatusCodes),
    retriableHeaders: policy.retriableHeaders.map((matcher, i) =>
      compileHeaderMatcher(matcher, regex, at(place, `retriable_headers[${i}]`)),
    ),
    ...hostPredicates(policy, place),
    hostSelectionAttempts: Math.max(1, Number(policy.hostSelectionRetryMaxAttempts)),
    otherPriorityEvery: otherPriorityEvery(policy, place),
    rateLimited: rateLimitedBackoff(policy, place),
  };
}

const LEGACY_NAMES = 'envoy.retry_host_predicates.';

function hostPredicates(
  { retryHostPredicate }: RetryPolicyMessage,
  place: Place,
): Pick<RetryPolicy, 'avoidPreviousHosts' | 'omittedHosts'> {
  const omittedHosts: Record<string, unknown>[] = [];
  let avoidPreviousHosts = false;
  for (const [i, { name, configType }] of retryHostPredicate.entries()) {
    const typed = configType.case === 'typedConfig' ? configType.value : undefined;
    const kind = typed?.typeUrl.slice(typed.typeUrl.lastIndexOf('/') + 1);
    if (kind === PreviousHostsPredicateSchema.typeName || name === `${LEGACY_NAMES}previous_hosts`)
      avoidPreviousHosts = true;
    else if (kind === OmitCanaryHostsPredicateSchema.typeName || name === `${LEGACY_NAMES}omit_canary_hosts`)
      omittedHosts.push({ canary: true });
    else if (typed !== undefined && kind === OmitHostMetadataConfigSchema.typeName)
      omittedHosts.push(
        fromBinary(OmitHostMetadataConfigSchema, typed.value).metadataMatch?.filterMetadata['envoy.lb'] ?? {},
      );
    else return reject(at(place, `retry_host_predicate[${i}]`), `"${name}" is not supported`);
  }
  return { avoidPreviousHosts, omittedHosts: omittedHosts.filter((match) => Object.keys(match).length > 0) };
}

const GRPC_WORDS = ['cancelled', 'deadline-exceeded', 'internal', 'resource-exhausted', 'unavailable'];

function looksAtSuccess(policy: RetryPolicyMessage, retryOn: ReadonlySet<string>): RetryPolicy['looksAtSuccess'] {
  const headers = retryOn.has('retriable-headers') && policy.retriableHeaders.length > 0;
  const codes = retryOn.has('retriable-status-codes') && policy.retriableStatusCodes.some((code) => code < 400);
  if (headers || codes) return 'all';
  return GRPC_WORDS.some((word) => retryOn.has(word)) ? 'grpc' : 'no';
}

const DEFAULT_MAX_RATE_LIMITED_MS = 300_000;

function rateLimitedBackoff(
  { rateLimitedRetryBackOff: config }: RetryPolicyMessage,
  place: Place,
): RateLimitedBackoff | undefined {
  if (config === undefined) return undefined;
  if (config.resetHeaders.length === 0) return reject(at(place, 'rate_limited_retry_back_off'), 'names no header');
  return {
    headers: config.resetHeaders.map(({ name, format }) => ({
      name: name.toLowerCase(),
      format: format === ResetFormat.UNIX_TIMESTAMP ? 'unix-time' : 'seconds',
    })),
    maxIntervalMs: millis(config.maxInterval) ?? DEFAULT_MAX_RATE_LIMITED_MS,
  };
}

function otherPriorityEvery({ retryPriority }: RetryPolicyMessage, place: Place): number {
  if (retryPriority === undefined) return 0;
  const { configType } = retryPriority;
  const typed = configType.case === 'typedConfig' ? configType.value : undefined;
  if (typed === undefined || !typed.typeUrl.endsWith(`/${PreviousPrioritiesConfigSchema.typeName}`))
    return reject(at(place, 'retry_priority'), `"${retryPriority.name}" is not supported`);
  return Math.max(1, fromBinary(PreviousPrioritiesConfigSchema, typed.value).updateFrequency);
}
