import { create } from '@bufbuild/protobuf';
import { RetryPolicySchema, type RetryPolicy } from '@weft/contracts/full/envoy/config/route/v3/route_components';
import { PreviousPrioritiesConfigSchema } from '@weft/contracts/full/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config';
import { PreviousHostsPredicateSchema } from '@weft/contracts/full/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts';
import type { HttpRetry } from '../config-store/kinds.ts';
import { durationMs } from '../model/duration.ts';
import { DEFAULT_RETRY_ON, type DefaultRetryPolicy } from '../options.ts';
import { duration, pack } from './envoy.ts';

const MAX_RE_PICKS = 5n;
// Two attempts in each locality before another one is tried (Istio).
const ATTEMPTS_PER_LOCALITY = 2;

/** @param consistentHash the route picks by a hash, which would always pick the same host: earlier hosts are then allowed again. @returns undefined when retries are off. */
export function retryPolicy(
  retries: HttpRetry | undefined,
  mesh: DefaultRetryPolicy,
  consistentHash: boolean,
): RetryPolicy | undefined {
  const attempts = retries?.attempts ?? mesh.attempts;
  if (attempts === 0) return undefined;
  const { words, codes } = parseRetryOn(retries?.retryOn ?? mesh.retryOn);
  const perTry = durationMs(retries?.perTryTimeout);
  const backoffMs = durationMs(retries?.backoff) ?? mesh.backoffMs;
  const avoidPrevious = (retries?.retryIgnorePreviousHosts ?? mesh.retryIgnorePreviousHosts) && !consistentHash;
  return create(RetryPolicySchema, {
    retryOn: words.join(','),
    retriableStatusCodes: codes,
    numRetries: attempts,
    ...(perTry === undefined ? {} : { perTryTimeout: duration(perTry) }),
    ...(avoidPrevious
      ? {
          retryHostPredicate: [
            {
              name: 'envoy.retry_host_predicates.previous_hosts',
              configType: { case: 'typedConfig', value: pack(PreviousHostsPredicateSchema) },
            },
          ],
          hostSelectionRetryMaxAttempts: MAX_RE_PICKS,
        }
      : {}),
    ...(retries?.retryRemoteLocalities === true
      ? {
          retryPriority: {
            name: 'envoy.retry_priorities.previous_priorities',
            configType: {
              case: 'typedConfig',
              value: pack(PreviousPrioritiesConfigSchema, { updateFrequency: ATTEMPTS_PER_LOCALITY }),
            },
          },
        }
      : {}),
    ...(backoffMs === undefined
      ? {}
      : { retryBackOff: { baseInterval: duration(backoffMs), maxInterval: duration(backoffMs * 10) } }),
  });
}

/** Numbers in `retryOn` are status codes: they go into their own list, with the word that makes it count. */
function parseRetryOn(text: string): { readonly words: readonly string[]; readonly codes: number[] } {
  const tokens = (text === '' ? DEFAULT_RETRY_ON : text).split(',').map((token) => token.trim());
  const codes = tokens.filter((token) => /^\d{3}$/.test(token)).map(Number);
  const words = tokens.filter((token) => token !== '' && !/^\d{3}$/.test(token));
  const withCodes =
    codes.length > 0 && !words.includes('retriable-status-codes') ? [...words, 'retriable-status-codes'] : words;
  return { words: withCodes, codes };
}
