import type { LoadBalancerSettings, OutlierDetection, PortTrafficPolicy, TrafficPolicy } from '@weft/contracts/config';
import type { Path } from '../../source/locate.ts';
import { connectionPool, exportTo, unique } from './common.ts';
import type { Rule, RuleContext } from './rule.ts';

export const destinationRule: Rule<'DestinationRule'> = (spec, context) => {
  const { fail } = context;
  exportTo(spec.exportTo, ['spec', 'exportTo'], context);
  trafficPolicy(spec.trafficPolicy, ['spec', 'trafficPolicy'], context);
  unique(
    spec.subsets ?? [],
    ({ name }) => name,
    (index, name) =>
      fail('W0043', ['spec', 'subsets', index, 'name'], `the subset "${name}" is defined twice`, 'Rename one.'),
  );
  for (const [index, subset] of (spec.subsets ?? []).entries()) {
    trafficPolicy(subset.trafficPolicy, ['spec', 'subsets', index, 'trafficPolicy'], context, true);
  }
};

/** @param inherits what it leaves out is the rule's own. */
function trafficPolicy(policy: TrafficPolicy | undefined, path: Path, context: RuleContext, inherits = false): void {
  if (policy === undefined) return;
  const { fail } = context;
  if (Object.keys(policy).length === 0)
    fail('W0012', path, 'the traffic policy is empty', 'Give it a setting, or remove it.');
  if (policy.tunnel !== undefined && policy.proxyProtocol !== undefined) {
    fail('W0024', path, 'tunnel and proxyProtocol exclude each other', 'Keep one of them.');
  }
  blocks(policy, path, context);
  if (!inherits) failover(policy, path, context);
  const ports = policy.portLevelSettings ?? [];
  for (const [index, settings] of ports.entries()) {
    const where = [...path, 'portLevelSettings', index];
    if (settings.port?.number === undefined) fail('W0012', where, 'the port is missing', 'Give port.number.');
    if (Object.keys(settings).every((key) => key === 'port')) fail('W0012', where, 'the port has no settings');
    blocks(settings, where, context);
    failover(settings, where, context);
  }
  unique(
    ports,
    ({ port }) => port?.number,
    (index, number) =>
      fail('W0043', [...path, 'portLevelSettings', index, 'port'], `port ${number} has settings twice`, 'Join them.'),
  );
}

function blocks(policy: PortTrafficPolicy, path: Path, context: RuleContext): void {
  connectionPool(policy.connectionPool, [...path, 'connectionPool'], context);
  outlierDetection(policy.outlierDetection, [...path, 'outlierDetection'], context);
  loadBalancer(policy.loadBalancer, [...path, 'loadBalancer'], context);
}

/** Places are used in their order by those who notice that the near ones fail. */
function failover(
  { loadBalancer: balancer, outlierDetection: outlier }: PortTrafficPolicy,
  path: Path,
  { warn }: RuleContext,
): void {
  const locality = balancer?.localityLbSetting;
  if (outlier !== undefined || locality?.enabled === false) return;
  for (const field of ['failover', 'failoverPriority'] as const) {
    if ((locality?.[field] ?? []).length === 0) continue;
    warn(
      'W0024',
      [...path, 'loadBalancer', 'localityLbSetting', field],
      'has no effect without outlierDetection',
      'Add outlierDetection, for example consecutive5xxErrors: 5.',
    );
  }
}

function outlierDetection(outlier: OutlierDetection | undefined, path: Path, { fail }: RuleContext): void {
  if (outlier?.consecutiveLocalOriginFailures !== undefined && outlier.splitExternalLocalOriginErrors !== true) {
    fail(
      'W0024',
      [...path, 'consecutiveLocalOriginFailures'],
      'has no effect while local failures are not counted apart',
      'Set splitExternalLocalOriginErrors: true.',
    );
  }
}

// A Maglev table is a prime, and Envoy knows none above this.
const MAX_TABLE = 5_000_011;

function loadBalancer(balancer: LoadBalancerSettings | undefined, path: Path, { fail }: RuleContext): void {
  if (balancer === undefined) return;
  const table = balancer.consistentHash?.maglev?.tableSize;
  if (table !== undefined && (table > MAX_TABLE || !isPrime(table))) {
    fail(
      'W0014',
      [...path, 'consistentHash', 'maglev', 'tableSize'],
      `${table} is not a prime up to ${MAX_TABLE}`,
      'For example 65537.',
    );
  }
  if (balancer.warmup !== undefined && balancer.warmupDurationSecs !== undefined) {
    fail('W0015', path, 'warmup and warmupDurationSecs exclude each other', 'Keep warmup.');
  }
  const locality = balancer.localityLbSetting;
  if (locality === undefined) return;
  const where = [...path, 'localityLbSetting'];
  if (balancer.zoneAwareLbSetting !== undefined)
    fail('W0015', path, 'localityLbSetting and zoneAwareLbSetting exclude each other');
  if ((locality.distribute?.length ?? 0) > 0 && (locality.failover?.length ?? 0) > 0) {
    fail('W0015', where, 'distribute and failover exclude each other', 'Keep one of them.');
  }
  for (const [index, { to = {} }] of (locality.distribute ?? []).entries()) {
    const shares = Object.values(to);
    const sum = shares.reduce((total, share) => total + share, 0);
    if (sum !== 100 || shares.some((share) => share < 1)) {
      fail(
        'W0014',
        [...where, 'distribute', index, 'to'],
        `the weights add up to ${sum}`,
        'Give weights from 1 to 100 that add up to 100.',
      );
    }
  }
  for (const [index, { from, to }] of (locality.failover ?? []).entries()) {
    if (from !== undefined && from === to)
      fail('W0024', [...where, 'failover', index], `"${from}" fails over to itself`);
    if (`${from}${to}`.includes('*') || `${from}${to}`.includes('/'))
      fail('W0013', [...where, 'failover', index], 'names more than a region');
  }
}

function isPrime(number: number): boolean {
  if (number < 2) return false;
  for (let divisor = 2; divisor * divisor <= number; divisor += 1) if (number % divisor === 0) return false;
  return true;
}
