import { EdfScheduler } from './edf.ts';
import { type LbPolicyFactory, pickAvoiding, sameWeights } from './lb-policy.ts';

/** Power of two choices: two random hosts, the less busy one. With differing weights, by weight over requests in flight. */
export const leastRequest: LbPolicyFactory = (hosts, random) => {
  if (!sameWeights(hosts)) {
    const scheduler = new EdfScheduler(hosts, (host) => host.facts.weight / (host.activeRequests + 1), random);
    const next = () => scheduler.next();
    return { pick: (attempt) => pickAvoiding(attempt, hosts, random, next) };
  }
  const next = () => {
    const first = random.pick(hosts);
    if (first === undefined || hosts.length === 1) return first;
    const second = random.pick(hosts);
    return second !== undefined && second.activeRequests < first.activeRequests ? second : first;
  };
  return { pick: (attempt) => pickAvoiding(attempt, hosts, random, next) };
};
