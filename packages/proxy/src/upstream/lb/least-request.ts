import { EdfScheduler } from './edf.ts';
import { type LbPolicyFactory, pickAvoiding, sameWeights } from './lb-policy.ts';

const DEFAULT_CHOICES = 2;
const DEFAULT_BIAS = 1;

/**
 * Power of two choices: two random hosts, the less busy one. With differing weights, by weight over requests in flight.
 * @param bias how much requests in flight count against a weight; 0 = not at all.
 */
export const leastRequestOf =
  (choices: number, bias: number): LbPolicyFactory =>
  (hosts, deps) => {
    const { random, weightOf } = deps;
    if (!sameWeights(hosts, deps)) {
      const scheduler = new EdfScheduler(
        hosts,
        (host) => weightOf(host) / (bias === 1 ? host.activeRequests + 1 : (host.activeRequests + 1) ** bias),
        random,
      );
      const next = () => scheduler.next();
      return { pick: (attempt) => pickAvoiding(attempt, hosts, random, next) };
    }
    const next = () => {
      let best = random.pick(hosts);
      if (best === undefined || hosts.length === 1) return best;
      for (let drawn = 1; drawn < choices; drawn += 1) {
        const other = random.pick(hosts);
        if (other !== undefined && other.activeRequests < best.activeRequests) best = other;
      }
      return best;
    };
    return { pick: (attempt) => pickAvoiding(attempt, hosts, random, next) };
  };

export const leastRequest: LbPolicyFactory = leastRequestOf(DEFAULT_CHOICES, DEFAULT_BIAS);
