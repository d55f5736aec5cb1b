import type { Logger } from '@weft/kit';
import type { StatsSink } from '../../ports.ts';
import type { ClusterSettings } from '../cluster-settings.ts';

type Told = Pick<ClusterSettings, 'name' | 'lbName' | 'lbInsteadOf'>;

/**
 * Says where a balancer stands in for one that this proxy does not have: a line in the log and
 * `cluster.X.lb_policy_fallback`, once for each cluster as long as it asks for the same.
 * @returns what takes the clusters of each update.
 */
export function watchStandIns(
  stats: Pick<StatsSink, 'counter' | 'add'>,
  logger: Pick<Logger, 'warn'>,
): (clusters: Iterable<Told>) => void {
  let told: ReadonlyMap<string, string> = new Map();
  return (clusters) => {
    const now = new Map<string, string>();
    for (const { name, lbName, lbInsteadOf } of clusters) {
      if (lbInsteadOf === '') continue;
      now.set(name, lbInsteadOf);
      if (told.get(name) === lbInsteadOf) continue;
      stats.add(stats.counter(`cluster.${name}.lb_policy_fallback`), 1);
      logger.warn({ cluster: name, asked: lbInsteadOf, used: lbName }, 'load balancing policy is not supported yet');
    }
    told = now;
  };
}
