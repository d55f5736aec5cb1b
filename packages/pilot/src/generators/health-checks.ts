import { create } from '@bufbuild/protobuf';
import { RequestMethod } from '@weft/contracts/full/envoy/config/core/v3/base';
import { HealthCheckSchema, type HealthCheck } from '@weft/contracts/full/envoy/config/core/v3/health_check';
import type { Config } from '../config-store/config-object.ts';
import type { HealthCheckPolicySpec } from '../config-store/kinds.ts';
import { durationMs } from '../model/duration.ts';
import { covers, resolveHost } from '../model/hostname.ts';
import type { Service } from '../model/service.ts';
import type { MeshSnapshot } from '../snapshot/mesh-snapshot.ts';
import { duration, type Init } from './envoy.ts';

const DEFAULT_INTERVAL_MS = 10_000;
const DEFAULT_TIMEOUT_MS = 3_000;
const DEFAULT_JITTER_PERCENT = 10;
const OK = 200;

export interface CheckedCluster {
  readonly service: Service;
  readonly port: number;
  readonly subset: string | undefined;
}

/** Client's namespace, then the service's, then the root; in one, the policy that says most about the cluster, then the oldest. */
export function findHealthCheck(
  { config, mesh }: MeshSnapshot,
  clientNamespace: string,
  { service, port, subset }: CheckedCluster,
): Config<HealthCheckPolicySpec> | undefined {
  if (config.healthCheckPolicies.length === 0) return undefined;
  const applying = config.healthCheckPolicies.filter(
    ({ spec, namespace }) =>
      covers(resolveHost(spec.host, namespace, mesh.domainSuffix), service.hostname) &&
      (spec.port === undefined || spec.port === port) &&
      (spec.subset === undefined || spec.subset === subset),
  );
  for (const namespace of [clientNamespace, service.namespace, mesh.rootNamespace]) {
    const [found] = applying
      .filter((policy) => policy.namespace === namespace)
      .toSorted((a, b) => precision(b.spec) - precision(a.spec));
    if (found) return found;
  }
  return undefined;
}

const precision = ({ port, subset, host }: HealthCheckPolicySpec): number =>
  (subset === undefined ? 0 : 4) + (port === undefined ? 0 : 2) + (host.startsWith('*') ? 0 : 1);

export function healthCheck(spec: HealthCheckPolicySpec, service: Pick<Service, 'hostname'>): HealthCheck {
  const interval = duration(durationMs(spec.interval) ?? DEFAULT_INTERVAL_MS);
  const unhealthyMs = durationMs(spec.unhealthyInterval);
  return create(HealthCheckSchema, {
    timeout: duration(durationMs(spec.timeout) ?? DEFAULT_TIMEOUT_MS),
    interval,
    // A cluster that nobody called yet is asked as often: its first caller must not meet an instance that is down.
    noTrafficInterval: interval,
    ...(unhealthyMs === undefined ? {} : { unhealthyInterval: duration(unhealthyMs) }),
    intervalJitterPercent: spec.jitterPercent ?? DEFAULT_JITTER_PERCENT,
    unhealthyThreshold: spec.unhealthyThreshold ?? 3,
    healthyThreshold: spec.healthyThreshold ?? 2,
    ...(spec.checkPort === undefined ? {} : { altPort: spec.checkPort }),
    healthChecker: checker(spec, service),
  });
}

const hexadecimal = (text: string): { readonly payload: { readonly case: 'text'; readonly value: string } } => ({
  payload: { case: 'text', value: Buffer.from(text).toString('hex') },
});

function checker(
  { http, tcp, grpc }: HealthCheckPolicySpec,
  { hostname }: Pick<Service, 'hostname'>,
): NonNullable<Init<typeof HealthCheckSchema>['healthChecker']> {
  if (http) {
    return {
      case: 'httpHealthCheck',
      value: {
        path: http.path,
        host: http.host ?? hostname,
        method: RequestMethod[http.method ?? 'GET'],
        requestHeadersToAdd: Object.entries(http.headers ?? {}).map(([key, value]) => ({ header: { key, value } })),
        expectedStatuses: (http.expectedStatuses ?? [OK]).map((code) => ({
          start: BigInt(code),
          end: BigInt(code + 1),
        })),
        // Else one bad answer would be enough, and the threshold be for silence only.
        retriableStatuses: http.failAtOnce === true ? [] : [{ start: 100n, end: 600n }],
      },
    };
  }
  if (grpc) {
    return {
      case: 'grpcHealthCheck',
      value: { serviceName: grpc.service ?? '', authority: grpc.authority ?? hostname },
    };
  }
  const { send, receive = [] } = tcp ?? {};
  return {
    case: 'tcpHealthCheck',
    value: { ...(send === undefined ? {} : { send: hexadecimal(send) }), receive: receive.map(hexadecimal) },
  };
}
