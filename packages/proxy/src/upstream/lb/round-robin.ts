import { EdfScheduler } from './edf.ts';
import { type LbPolicy, type LbPolicyFactory, pickAvoiding, sameWeights } from './lb-policy.ts';

interface RoundRobin extends LbPolicy {
  /** Where an update goes on. */
  readonly position: () => number;
}
const isRoundRobin = (policy: LbPolicy | undefined): policy is RoundRobin =>
  policy !== undefined && 'position' in policy;

/** Hosts in turn; by weight when weights differ. */
export const roundRobin: LbPolicyFactory = (hosts, deps, former) => {
  const { random, weightOf } = deps;
  if (!sameWeights(hosts, deps)) {
    const scheduler = new EdfScheduler(hosts, weightOf, random);
    const next = () => scheduler.next();
    return { pick: (attempt) => pickAvoiding(attempt, hosts, random, next) };
  }
  let index = isRoundRobin(former) ? former.position() : random.int(Math.max(1, hosts.length));
  const next = () => {
    index = (index + 1) % Math.max(1, hosts.length);
    return hosts[index];
  };
  const policy: RoundRobin = { position: () => index, pick: (attempt) => pickAvoiding(attempt, hosts, random, next) };
  return policy;
};
