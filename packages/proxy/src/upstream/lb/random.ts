import { type LbPolicyFactory, pickAvoiding } from './lb-policy.ts';

/** Any host, each as likely; weights are not looked at. */
export const randomChoice: LbPolicyFactory = (hosts, { random }) => {
  const next = () => random.pick(hosts);
  return { pick: (attempt) => pickAvoiding(attempt, hosts, random, next) };
};
