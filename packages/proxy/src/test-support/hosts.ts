import { seededRandom } from '@weft/kit';
import { Host } from '../upstream/host.ts';
import type { HostFacts } from '../upstream/host-facts.ts';
import { FIRST_ATTEMPT, type LbAttempt, type LbDeps } from '../upstream/lb/lb-policy.ts';

export const facts = (port: number, more: Partial<HostFacts> = {}): HostFacts => ({
  address: '127.0.0.1',
  port,
  hostname: '',
  weight: 1,
  priority: 0,
  health: 'healthy',
  locality: '',
  localityWeight: 0,
  hashKey: '',
  transportMatch: {},
  workload: '',
  ...more,
});

export const host = (port: number, more: Partial<HostFacts> = {}): Host => new Host(facts(port, more));

export const lbDeps = (seed: number): LbDeps => ({
  random: seededRandom(seed),
  weightOf: ({ facts: { weight } }) => weight,
  weightsMove: false,
});

export const attempt = (more: Partial<LbAttempt>): LbAttempt => ({ ...FIRST_ATTEMPT, ...more });

/** An attempt with a hash of 64 bits. */
export const hashed = (hash: bigint, more: Partial<LbAttempt> = {}): LbAttempt =>
  attempt({ hashed: true, hashHigh: Number(hash >> 32n), hashLow: Number(hash & 0xffff_ffffn), ...more });
