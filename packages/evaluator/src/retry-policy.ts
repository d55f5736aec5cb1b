import type { RetryPolicy as RetryPolicyMessage } from '@weft/contracts/lean/envoy/config/route/v3/route_components';
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
  /** How often to ask the balancer again for another host. */
  readonly hostSelectionAttempts: number;
}

const DEFAULT_BASE_INTERVAL_MS = 25;
const PREVIOUS_HOSTS = 'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate';

export function compileRetryPolicy(policy: RetryPolicyMessage, regex: RegexEngine, place: Place): RetryPolicy {
  const baseIntervalMs = millis(policy.retryBackOff?.baseInterval) ?? DEFAULT_BASE_INTERVAL_MS;
  const maxIntervalMs = millis(policy.retryBackOff?.maxInterval) ?? baseIntervalMs * 10;
  if (baseIntervalMs <= 0) return reject(at(place, 'retry_back_off.base_interval'), 'must be above 0');
  if (maxIntervalMs < baseIntervalMs) {
    return reject(at(place, 'retry_back_off.max_interval'), 'must not be below base_interval');
  }
  return {
    retryOn: new Set(
      policy.retryOn
        .split(',')
        .map((condition) => condition.trim())
        .filter((condition) => condition !== ''),
    ),
    numRetries: policy.numRetries ?? 1,
    perTryTimeoutMs: millis(policy.perTryTimeout),
    perTryIdleTimeoutMs: millis(policy.perTryIdleTimeout),
    baseIntervalMs,
    maxIntervalMs,
    retriableStatusCodes: new Set(policy.retriableStatusCodes),
    retriableHeaders: policy.retriableHeaders.map((matcher, i) =>
      compileHeaderMatcher(matcher, regex, at(place, `retriable_headers[${i}]`)),
    ),
    avoidPreviousHosts: policy.retryHostPredicate.some(
      ({ name, configType }) =>
        name === 'envoy.retry_host_predicates.previous_hosts' ||
        (configType.case === 'typedConfig' && configType.value.typeUrl.endsWith(`/${PREVIOUS_HOSTS}`)),
    ),
    hostSelectionAttempts: Math.max(1, Number(policy.hostSelectionRetryMaxAttempts)),
  };
}
