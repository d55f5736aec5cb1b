import { uniqueRefs, type Config, type SourceRef } from '../config-store/config-object.ts';
import type { DestinationRuleSpec, PortTrafficPolicy, Subset, TrafficPolicy } from '../config-store/kinds.ts';
import { compareSpecificity, covers, resolveHost } from '../model/hostname.ts';
import { matchesLabels, type Labels } from '../model/labels.ts';
import type { Service } from '../model/service.ts';
import { exportToOr, isVisible } from '../model/visibility.ts';
import type { MeshSnapshot } from './mesh-snapshot.ts';

/** The rules for one host that a client sees, joined. */
export interface DestinationRule {
  readonly host: string;
  readonly trafficPolicy: TrafficPolicy | undefined;
  readonly subsets: readonly Subset[];
  readonly refs: readonly SourceRef[];
}

export interface Client {
  readonly namespace: string;
  readonly labels: Labels;
}

/** Client's namespace, then the service's, then the root: the first with any match wins, and inside it the most specific host. */
export function findDestinationRule(
  snapshot: MeshSnapshot,
  client: Client,
  service: Service,
): DestinationRule | undefined {
  const { mesh, config } = snapshot;
  const visible = (rule: Config<DestinationRuleSpec>): boolean =>
    isVisible(exportToOr(rule.spec.exportTo, mesh.defaultDestinationRuleExportTo), rule.namespace, client.namespace);
  const isPrivate = (rule: Config<DestinationRuleSpec>): boolean => (rule.spec.exportTo ?? []).join(',') === '.';
  const inRoot = client.namespace === mesh.rootNamespace;
  const steps: readonly ((rule: Config<DestinationRuleSpec>) => boolean)[] = [
    (rule) => rule.namespace === client.namespace && (!inRoot || isPrivate(rule)),
    (rule) => rule.namespace === service.namespace && visible(rule),
    (rule) => rule.namespace === mesh.rootNamespace && visible(rule),
  ];
  for (const step of steps) {
    const matching = config.destinationRules.filter(
      (rule) => step(rule) && appliesTo(rule, client) && covers(ruleHost(rule, snapshot), service.hostname),
    );
    const found = join(matching, snapshot);
    if (found) return found;
  }
  return undefined;
}

const ruleHost = (rule: Config<DestinationRuleSpec>, snapshot: MeshSnapshot): string =>
  resolveHost(rule.spec.host, rule.namespace, snapshot.mesh.domainSuffix);

function appliesTo(rule: Config<DestinationRuleSpec>, client: Client): boolean {
  const selector = rule.spec.workloadSelector;
  return (
    selector === undefined ||
    (rule.namespace === client.namespace && matchesLabels(selector.matchLabels, client.labels))
  );
}

/** Among rules of one namespace (oldest first): those of the most specific host, one with a selector before all without, joined oldest first. */
function join(matching: readonly Config<DestinationRuleSpec>[], snapshot: MeshSnapshot): DestinationRule | undefined {
  const host = matching.map((rule) => ruleHost(rule, snapshot)).sort(compareSpecificity)[0];
  if (host === undefined) return undefined;
  const same = matching.filter((rule) => ruleHost(rule, snapshot) === host);
  const selected = same.find((rule) => rule.spec.workloadSelector !== undefined);
  const first = selected ?? same[0];
  if (!first) return undefined;
  const exportKey = (rule: Config<DestinationRuleSpec>): string => [...(rule.spec.exportTo ?? [])].sort().join(',');
  const joined = selected ? [selected] : same.filter((rule) => exportKey(rule) === exportKey(first));
  const subsets = new Map<string, Subset>();
  for (const rule of joined) {
    for (const subset of rule.spec.subsets ?? []) {
      if (!subsets.has(subset.name)) subsets.set(subset.name, subset);
    }
  }
  return {
    host,
    trafficPolicy: joined.find((rule) => rule.spec.trafficPolicy !== undefined)?.spec.trafficPolicy,
    subsets: [...subsets.values()],
    refs: uniqueRefs(joined.map((rule) => rule.ref)),
  };
}

/** The policy for one port and subset. A matching portLevelSettings entry replaces all four blocks: what it omits is default. */
export function effectivePolicy(rule: DestinationRule | undefined, port: number, subset?: Subset): EffectivePolicy {
  const base = atPort(rule?.trafficPolicy, port);
  if (!subset?.trafficPolicy) return base;
  // An entry for the port resets what it omits; without one the subset's blocks lie over those of the rule.
  return {
    ...(portEntry(subset.trafficPolicy, port) ? ofAllPorts(base) : base),
    ...atPort(subset.trafficPolicy, port),
  };
}

/** What ports can not set for themselves. */
type PolicyOfAllPorts = Pick<TrafficPolicy, 'retryBudget' | 'tunnel' | 'proxyProtocol'>;
export type EffectivePolicy = PortTrafficPolicy & PolicyOfAllPorts;

const ofAllPorts = ({ retryBudget, tunnel, proxyProtocol }: PolicyOfAllPorts): PolicyOfAllPorts => ({
  ...(retryBudget === undefined ? {} : { retryBudget }),
  ...(tunnel === undefined ? {} : { tunnel }),
  ...(proxyProtocol === undefined ? {} : { proxyProtocol }),
});

const portEntry = (policy: TrafficPolicy, port: number): PortTrafficPolicy | undefined =>
  policy.portLevelSettings?.find((entry) => entry.port?.number === port);

const BLOCKS = ['loadBalancer', 'connectionPool', 'outlierDetection', 'tls'] as const;

function atPort(policy: TrafficPolicy | undefined, port: number): EffectivePolicy {
  if (!policy) return {};
  const source = portEntry(policy, port) ?? policy;
  return { ...pickBlocks(source), ...ofAllPorts(policy) };
}

function pickBlocks(policy: PortTrafficPolicy): PortTrafficPolicy {
  return Object.fromEntries(
    BLOCKS.filter((block) => policy[block] !== undefined).map((block) => [block, policy[block]]),
  );
}
