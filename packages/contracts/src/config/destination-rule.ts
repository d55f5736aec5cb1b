import type { Static } from 'typebox';
import { connectionPool, exportTo, matchLabelsSelector, portSelector } from './common.ts';
import { bool, choice, duration, int32, list, map, message, num, opt, text, uint32, type FieldMeta } from './meta.ts';

const VERIFY: FieldMeta = {
  effect: 'refused',
  reason: 'asks for a certificate check that the proxies do not make yet',
  mend: 'Leave it out: services of the mesh are verified by their SPIFFE identity.',
};

const loadBalancer = message({
  simple: opt(
    choice(['UNSPECIFIED', 'LEAST_CONN', 'RANDOM', 'PASSTHROUGH', 'ROUND_ROBIN', 'LEAST_REQUEST'], {
      oneof: 'lb_policy',
      default: 'LEAST_REQUEST',
      test: 'LB-01',
    }),
  ),
  consistentHash: opt(
    message(
      {
        httpHeaderName: opt(text({ oneof: 'hash_key' })),
        httpCookie: opt(
          message(
            {
              name: text({ minLength: 1 }),
              path: opt(text()),
              ttl: opt(text({ format: 'duration-or-zero' })),
              attributes: opt(list(message({ name: text(), value: opt(text()) }), { since: '1.28' })),
            },
            { oneof: 'hash_key' },
          ),
        ),
        useSourceIp: opt(bool({ oneof: 'hash_key' })),
        httpQueryParameterName: opt(text({ oneof: 'hash_key', since: '1.6' })),
        ringHash: opt(
          message({ minimumRingSize: opt(uint32({ default: 1024 })) }, { oneof: 'hash_algorithm', since: '1.16' }),
        ),
        maglev: opt(
          message({ tableSize: opt(uint32({ default: 65_537 })) }, { oneof: 'hash_algorithm', since: '1.16' }),
        ),
        minimumRingSize: opt(uint32({ deprecated: 'ringHash.minimumRingSize' })),
      },
      { oneof: 'lb_policy', requiredOneofs: ['hash_key'], test: 'LB-02' },
    ),
  ),
  localityLbSetting: opt(
    message(
      {
        distribute: opt(list(message({ from: opt(text()), to: opt(map(uint32())) }))),
        failover: opt(list(message({ from: opt(text()), to: opt(text()) }))),
        failoverPriority: opt(list(text(), { since: '1.12' })),
        enabled: opt(bool()),
      },
      { test: 'LB-03' },
    ),
  ),
  zoneAwareLbSetting: opt(
    message(
      {
        enabled: opt(bool()),
        failover: opt(list(message({ from: opt(text()), to: opt(text()) }))),
        failoverPriority: opt(list(text())),
        minClusterSize: opt(uint32({ default: 6 })),
      },
      { since: '1.31', test: 'LB-03' },
    ),
  ),
  warmupDurationSecs: opt(duration({ since: '1.14', deprecated: 'warmup.duration', test: 'LB-04' })),
  warmup: opt(
    message(
      {
        duration: duration(),
        minimumPercent: opt(num({ min: 0, max: 100, default: 10 })),
        aggression: opt(num({ min: 1, default: 1 })),
      },
      { since: '1.24', test: 'LB-04' },
    ),
  ),
});

const outlierDetection = message(
  {
    consecutive5xxErrors: opt(uint32({ proto: 'consecutive_5xx_errors', default: 5 })),
    consecutiveErrors: opt(int32({ min: 0, deprecated: 'consecutive5xxErrors' })),
    consecutiveGatewayErrors: opt(uint32({ since: '1.5', default: 0 })),
    splitExternalLocalOriginErrors: opt(bool({ since: '1.11', default: false })),
    consecutiveLocalOriginFailures: opt(uint32({ since: '1.11', default: 5 })),
    interval: opt(duration({ default: '10s' })),
    baseEjectionTime: opt(duration({ default: '30s' })),
    maxEjectionPercent: opt(int32({ min: 0, max: 100, default: 10 })),
    minHealthPercent: opt(int32({ min: 0, max: 100, default: 0 })),
    outlierDetectionHttpErrorCodes: opt(
      list(uint32({ min: 100, max: 599 }), {
        since: '1.31',
        effect: 'not-yet',
        reason: 'is not used yet: every 5xx counts',
      }),
    ),
  },
  { test: 'RE-06' },
);

const clientTls = message({
  mode: opt(
    choice(['DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL'], {
      default: 'DISABLE',
      values: {
        SIMPLE: { effect: 'refused', reason: VERIFY.reason ?? '', mend: 'Use ISTIO_MUTUAL for services of the mesh.' },
        MUTUAL: { effect: 'refused', reason: VERIFY.reason ?? '', mend: 'Use ISTIO_MUTUAL for services of the mesh.' },
      },
    }),
  ),
  clientCertificate: opt(text(VERIFY)),
  privateKey: opt(text(VERIFY)),
  caCertificates: opt(text(VERIFY)),
  caCrl: opt(text({ since: '1.22', ...VERIFY })),
  credentialName: opt(text({ since: '1.7', ...VERIFY })),
  subjectAltNames: opt(list(text(), VERIFY)),
  sni: opt(text({ effect: 'not-yet', reason: 'is not sent yet: the server name is that of the destination' })),
  insecureSkipVerify: opt(bool({ since: '1.12', effect: 'not-yet', reason: 'is not used: the mesh always verifies' })),
});

const portPolicy = {
  loadBalancer: opt(loadBalancer),
  connectionPool: opt(connectionPool()),
  outlierDetection: opt(outlierDetection),
  tls: opt(clientTls),
} as const;

const trafficPolicy = message({
  ...portPolicy,
  portLevelSettings: opt(list(message({ port: opt(portSelector()), ...portPolicy }), { maxItems: 4096 })),
  tunnel: opt(
    message(
      {
        protocol: opt(text({ default: 'CONNECT' })),
        targetHost: text({ minLength: 1 }),
        targetPort: uint32({ format: 'port-number', min: 1, max: 65_535 }),
      },
      { since: '1.14', test: 'TR-14' },
    ),
  ),
  proxyProtocol: opt(message({ version: opt(choice(['V1', 'V2'])) }, { since: '1.21', test: 'TR-14' })),
  retryBudget: opt(
    message(
      {
        percent: opt(num({ min: 0, max: 100, default: 20 })),
        minRetryConcurrency: opt(uint32({ default: 3 })),
        budgetInterval: opt(
          text({
            since: '1.28',
            format: 'duration-or-zero',
            effect: 'not-yet',
            reason: 'is not used yet: the share is of the requests in flight',
          }),
        ),
      },
      { since: '1.27' },
    ),
  ),
});

export const DestinationRuleSpec = message({
  host: text({ format: 'short-or-dns-host', minLength: 1 }),
  trafficPolicy: opt(trafficPolicy),
  subsets: opt(
    list(
      message({
        name: text({ format: 'dns-label', minLength: 1 }),
        labels: opt(map(text())),
        trafficPolicy: opt(trafficPolicy),
      }),
      { test: 'TR-02' },
    ),
  ),
  exportTo: exportTo(),
  workloadSelector: opt(matchLabelsSelector({ since: '1.14' })),
});

/** What happens to traffic once routing has chosen a destination: subsets, balancing, pools, ejection, TLS. */
export type DestinationRuleSpec = Static<typeof DestinationRuleSpec>;
export type TrafficPolicy = NonNullable<DestinationRuleSpec['trafficPolicy']>;
export type PortTrafficPolicy = NonNullable<TrafficPolicy['portLevelSettings']>[number];
export type LoadBalancerSettings = NonNullable<TrafficPolicy['loadBalancer']>;
export type ConnectionPoolSettings = NonNullable<TrafficPolicy['connectionPool']>;
export type OutlierDetection = NonNullable<TrafficPolicy['outlierDetection']>;
export type ClientTlsSettings = NonNullable<TrafficPolicy['tls']>;
export type Subset = NonNullable<DestinationRuleSpec['subsets']>[number];
