import {
  type HealthCheck,
  type HealthCheck_HttpHealthCheck as HttpHealthCheck,
  type HealthCheck_Payload as Payload,
} from '@weft/contracts/lean/envoy/config/core/v3/health_check';
import { RequestMethod } from '@weft/contracts/lean/envoy/config/core/v3/base';
import type { Int64Range } from '@weft/contracts/lean/envoy/type/v3/range';
import { ConfigRejectedError } from '@weft/evaluator';
import type { HealthCheckSettings, ProbeSettings, StatusRange } from '../upstream/health/health-check-settings.ts';
import { millisOr } from './durations.ts';

const DEFAULT_NO_TRAFFIC_MS = 60_000;
const OK: readonly StatusRange[] = [{ from: 200, to: 201 }];

/** @returns undefined without checks. @throws {ConfigRejectedError} naming the field. */
export function healthCheckSettings(
  checks: readonly HealthCheck[],
  cluster: string,
  resource: string,
): HealthCheckSettings | undefined {
  const [check, ...more] = checks;
  if (check === undefined) return undefined;
  if (more.length > 0) throw new ConfigRejectedError(resource, 'health_checks: only one is supported');
  const place = `${resource}: health_checks[0]`;
  const timeoutMs = millisOr(check.timeout, 0);
  const intervalMs = millisOr(check.interval, 0);
  if (timeoutMs <= 0 || intervalMs <= 0) throw new ConfigRejectedError(place, 'timeout and interval must be set');
  const threshold = (value: number | undefined, field: string): number => {
    if (value === undefined || value === 0) throw new ConfigRejectedError(place, `${field} must be set`);
    return value;
  };
  const noTrafficIntervalMs = millisOr(check.noTrafficInterval, DEFAULT_NO_TRAFFIC_MS);
  const unhealthyIntervalMs = millisOr(check.unhealthyInterval, intervalMs);
  return {
    probe: probeSettings(check, cluster, place),
    timeoutMs,
    intervalMs,
    initialJitterMs: millisOr(check.initialJitter, 0),
    jitterMs: millisOr(check.intervalJitter, 0),
    jitterPercent: check.intervalJitterPercent,
    unhealthyThreshold: threshold(check.unhealthyThreshold, 'unhealthy_threshold'),
    healthyThreshold: threshold(check.healthyThreshold, 'healthy_threshold'),
    noTrafficIntervalMs,
    noTrafficHealthyIntervalMs: millisOr(check.noTrafficHealthyInterval, noTrafficIntervalMs),
    unhealthyIntervalMs,
    unhealthyEdgeIntervalMs: millisOr(check.unhealthyEdgeInterval, unhealthyIntervalMs),
    healthyEdgeIntervalMs: millisOr(check.healthyEdgeInterval, intervalMs),
    port: check.altPort,
    reuseConnection: check.reuseConnection ?? true,
  };
}

function probeSettings({ healthChecker }: HealthCheck, cluster: string, place: string): ProbeSettings {
  switch (healthChecker.case) {
    case 'httpHealthCheck':
      return httpProbe(healthChecker.value, cluster, place);
    case 'tcpHealthCheck': {
      const { send, receive } = healthChecker.value;
      return {
        kind: 'tcp',
        send: payload(send, place) ?? Buffer.alloc(0),
        receive: receive.flatMap((one) => payload(one, place) ?? []),
      };
    }
    case 'grpcHealthCheck': {
      const { serviceName, authority } = healthChecker.value;
      return { kind: 'grpc', service: serviceName, authority: authority === '' ? cluster : authority };
    }
    case undefined:
      throw new ConfigRejectedError(place, 'no checker is set, or one that is not supported');
  }
}

function httpProbe(check: HttpHealthCheck, cluster: string, place: string): ProbeSettings {
  if (check.path === '') throw new ConfigRejectedError(place, 'http_health_check.path is not set');
  if (check.receive.length > 0) throw new ConfigRejectedError(place, 'http_health_check.receive is not supported');
  const method = RequestMethod[check.method] ?? 'GET';
  return {
    kind: 'http',
    method: method === 'METHOD_UNSPECIFIED' ? 'GET' : method,
    host: check.host === '' ? cluster : check.host,
    path: check.path,
    headers: check.requestHeadersToAdd.flatMap(({ header }) =>
      header === undefined ? [] : [[header.key, header.value] as const],
    ),
    expected: check.expectedStatuses.length === 0 ? OK : check.expectedStatuses.map(rangeOf),
    retriable: check.retriableStatuses.map(rangeOf),
  };
}

const rangeOf = ({ start, end }: Int64Range): StatusRange => ({ from: Number(start), to: Number(end) });

function payload(message: Payload | undefined, place: string): Buffer | undefined {
  const { payload: value } = message ?? {};
  if (value?.case === 'binary') return Buffer.from(value.value);
  if (value?.case !== 'text') return undefined;
  if (!/^(?:[0-9a-fA-F]{2})+$/.test(value.value))
    throw new ConfigRejectedError(place, `tcp_health_check: "${value.value}" is not hexadecimal`);
  return Buffer.from(value.value, 'hex');
}
