// Which filter chain takes a connection: the most specific survivors of each step in turn, without going back.
import type { FilterChainMatch } from '@weft/contracts/lean/envoy/config/listener/v3/listener_components';
import { FilterChainMatch_ConnectionSourceType as SourceType } from '@weft/contracts/lean/envoy/config/listener/v3/listener_components';
import type { CidrRange } from '@weft/contracts/lean/envoy/config/core/v3/address';
import { type AddressWords, cidrTest, ConfigRejectedError, parseAddress } from '@weft/evaluator';
import type { FirstBytes } from './first-bytes.ts';

export interface ChainCriteria {
  /** 0 = any. */
  readonly destinationPort: number;
  readonly destinationRanges: readonly Range[];
  readonly serverNames: readonly string[];
  /** Empty = any. */
  readonly transport: string;
  readonly applicationProtocols: readonly string[];
  readonly sourceRanges: readonly Range[];
}

interface Range {
  readonly length: number;
  readonly test: (address: AddressWords) => boolean;
}

export interface ConnectionFacts extends FirstBytes {
  readonly destinationIp: string;
  readonly destinationPort: number;
  readonly sourceIp: string;
}

export const ANY_CONNECTION: ChainCriteria = {
  destinationPort: 0,
  destinationRanges: [],
  serverNames: [],
  transport: '',
  applicationProtocols: [],
  sourceRanges: [],
};

/** @throws {ConfigRejectedError} for criteria that would not be looked at. */
export function compileCriteria(match: FilterChainMatch | undefined, resource: string): ChainCriteria {
  if (match === undefined) return ANY_CONNECTION;
  const refuse = (field: string): never => {
    throw new ConfigRejectedError(resource, `filter_chain_match.${field} is not supported`);
  };
  if (match.sourceType !== SourceType.ANY) refuse('source_type');
  if (match.directSourcePrefixRanges.length > 0) refuse('direct_source_prefix_ranges');
  if (match.sourcePorts.length > 0) refuse('source_ports');
  if (match.addressSuffix !== '' || match.suffixLen !== undefined) refuse('address_suffix');
  return {
    destinationPort: match.destinationPort ?? 0,
    destinationRanges: match.prefixRanges.map((range) => compileRange(range, resource)),
    serverNames: match.serverNames.map((name) => name.toLowerCase()),
    transport: match.transportProtocol,
    applicationProtocols: match.applicationProtocols,
    sourceRanges: match.sourcePrefixRanges.map((range) => compileRange(range, resource)),
  };
}

function compileRange(range: CidrRange, resource: string): Range {
  const length = range.prefixLen ?? 0;
  const test = cidrTest(range.addressPrefix, length);
  if (test === undefined)
    throw new ConfigRejectedError(
      resource,
      `filter_chain_match: "${range.addressPrefix}/${length}" is not an address range`,
    );
  return { length, test };
}

/** Whether any of these chains needs to look at first bytes, and whether for HTTP too. */
export function inspectionNeeds(all: readonly ChainCriteria[]): { readonly tls: boolean; readonly http: boolean } {
  const http = all.some(
    ({ applicationProtocols, transport }) => applicationProtocols.length > 0 && transport !== 'tls',
  );
  const tls = all.some(({ transport, serverNames }) => transport !== '' || serverNames.length > 0);
  return { tls: tls || http, http };
}

/** @returns undefined when no chain fits. */
export function matchChain<C extends { readonly criteria: ChainCriteria }>(
  chains: readonly C[],
  facts: ConnectionFacts,
): C | undefined {
  const destination = parseAddress(facts.destinationIp);
  const source = parseAddress(facts.sourceIp);
  let left = mostSpecific(chains, ({ criteria }) => exact(criteria.destinationPort, 0, facts.destinationPort));
  left = mostSpecific(left, ({ criteria }) => longestRange(criteria.destinationRanges, destination));
  left = mostSpecific(left, ({ criteria }) => serverNameScore(criteria.serverNames, facts.serverName));
  left = mostSpecific(left, ({ criteria }) => exact(criteria.transport, '', facts.transport));
  left = mostSpecific(left, ({ criteria }) => protocolScore(criteria.applicationProtocols, facts.applicationProtocols));
  left = mostSpecific(left, ({ criteria }) => longestRange(criteria.sourceRanges, source));
  return left[0];
}

/** Keeps those with the highest score; below 0 = does not match. */
function mostSpecific<C>(chains: readonly C[], score: (chain: C) => number): readonly C[] {
  if (chains.length === 0) return chains;
  const scores = chains.map(score);
  const best = Math.max(...scores);
  return best < 0 ? [] : chains.filter((_, i) => scores[i] === best);
}

const exact = <T>(wanted: T, any: T, actual: T): number => (wanted === any ? 0 : wanted === actual ? 1 : -1);

function longestRange(ranges: readonly Range[], address: AddressWords | undefined): number {
  if (ranges.length === 0) return 0;
  let longest = -1;
  for (const { length, test } of ranges)
    if (address !== undefined && test(address)) longest = Math.max(longest, length + 1);
  return longest;
}

/** Exact names first, then the longest `*.suffix`, then chains without names. */
function serverNameScore(names: readonly string[], actual: string): number {
  if (names.length === 0) return 0;
  let best = -1;
  for (const name of names) {
    if (name === actual) return Infinity;
    if (name.startsWith('*.') && actual.endsWith(name.slice(1)) && actual.length > name.length - 1)
      best = Math.max(best, name.length);
  }
  return best;
}

const protocolScore = (wanted: readonly string[], offered: readonly string[]): number =>
  wanted.length === 0 ? 0 : wanted.some((name) => offered.includes(name)) ? 1 : -1;
