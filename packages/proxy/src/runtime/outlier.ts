import type { OutlierDetection } from '@weft/contracts/lean/envoy/config/cluster/v3/outlier_detection';
import { ConfigRejectedError } from '@weft/evaluator';
import type { OutlierSettings } from '../upstream/outlier/outlier-settings.ts';
import { millisOr } from './durations.ts';

const DEFAULT_INTERVAL_MS = 10_000;
const DEFAULT_BASE_EJECTION_MS = 30_000;
const DEFAULT_MAX_EJECTION_MS = 300_000;

/** Envoy's defaults where the message says nothing. @throws {ConfigRejectedError} naming the field. */
export function outlierSettings(message: OutlierDetection | undefined, resource: string): OutlierSettings | undefined {
  if (message === undefined) return undefined;
  const baseEjectionMs = millisOr(message.baseEjectionTime, DEFAULT_BASE_EJECTION_MS);
  const intervalMs = millisOr(message.interval, DEFAULT_INTERVAL_MS);
  if (intervalMs <= 0) throw new ConfigRejectedError(resource, 'outlier_detection.interval: must be above 0');
  const enforcingFailures = message.enforcingFailurePercentage ?? 0;
  return {
    intervalMs,
    baseEjectionMs,
    maxEjectionMs: Math.max(baseEjectionMs, millisOr(message.maxEjectionTime, DEFAULT_MAX_EJECTION_MS)),
    jitterMs: millisOr(message.maxEjectionTimeJitter, 0),
    maxEjectionPercent: message.maxEjectionPercent ?? 10,
    alwaysEjectOne: message.alwaysEjectOneHost ?? false,
    splitLocal: message.splitExternalLocalOriginErrors,
    consecutive5xx: message.consecutive5xx ?? 5,
    consecutiveGateway: message.consecutiveGatewayFailure ?? 5,
    consecutiveLocal: message.consecutiveLocalOriginFailure ?? 5,
    successRate: {
      minHosts: message.successRateMinimumHosts ?? 5,
      volume: message.successRateRequestVolume ?? 100,
      factor: (message.successRateStdevFactor ?? 1900) / 1000,
    },
    failurePercentage: {
      threshold: message.failurePercentageThreshold ?? 85,
      minHosts: message.failurePercentageMinimumHosts ?? 5,
      volume: message.failurePercentageRequestVolume ?? 50,
    },
    enforcing: {
      consecutive_5xx: message.enforcingConsecutive5xx ?? 100,
      consecutive_gateway_failure: message.enforcingConsecutiveGatewayFailure ?? 0,
      consecutive_local_origin_failure: message.enforcingConsecutiveLocalOriginFailure ?? 100,
      success_rate: message.enforcingSuccessRate ?? 100,
      local_origin_success_rate: message.enforcingLocalOriginSuccessRate ?? 100,
      failure_percentage: enforcingFailures,
      local_origin_failure_percentage: message.enforcingFailurePercentageLocalOrigin ?? 0,
    },
    checkBringsBack: message.successfulActiveHealthCheckUnejectHost ?? true,
  };
}
