import { seededRandom } from '@weft/kit';
import { Host } from '../upstream/host.ts';
import { plainHost, type HostFacts } from '../upstream/host-facts.ts';
import { FIRST_ATTEMPT, type LbAttempt, type LbDeps } from '../upstream/lb/lb-policy.ts';

export const facts = (port: number, more: Partial<HostFacts> = {}): HostFacts => ({
  ...plainHost('127.0.0.1', port),
  ...more,
});

export const host = (port: number, more: Partial<HostFacts> = {}): Host => new Host(facts(port, more));

export const lbDeps = (seed: number): LbDeps => ({
  random: seededRandom(seed),
  weightOf: ({ facts: { weight } }) => weight,
  weightsMove: false,
});

export const attempt = (more: Partial<LbAttempt>): LbAttempt => ({
  ...FIRST_ATTEMPT,
  rejects: (one) => more.tried?.has(one) === true,
  ...more,
});

/** An attempt with a hash of 64 bits. */
export const hashed = (hash: bigint, more: Partial<LbAttempt> = {}): LbAttempt =>
  attempt({ hashed: true, hashHigh: Number(hash >> 32n), hashLow: Number(hash & 0xffff_ffffn), ...more });
