// Response flags as bits, so that setting one is an `or` and a record needs no list.

/** A set of response flags. */
export type FlagSet = number;
export const NO_FLAGS: FlagSet = 0;

/** Envoy's short names, in the order of their bits. */
export const FLAG_NAMES = [
  'UH', 'UF', 'UO', 'NR', 'NC', 'UT', 'UC', 'UR', 'LR', 'URX', 'DC', 'DR', 'DI', 'FI', 'RL', 'UAEX',
  'SI', 'DPE', 'UPE', 'UMSDR', 'DT', 'LH', 'OM', 'DF', 'DO', 'IH',
] as const; // prettier-ignore
export type FlagName = (typeof FLAG_NAMES)[number];

// In the order of FLAG_NAMES.
const LONG_NAMES = [
  'NoHealthyUpstream', 'UpstreamConnectionFailure', 'UpstreamOverflow', 'NoRouteFound', 'NoClusterFound',
  'UpstreamRequestTimeout', 'UpstreamConnectionTermination', 'UpstreamRemoteReset', 'LocalReset',
  'UpstreamRetryLimitExceeded', 'DownstreamConnectionTermination', 'DownstreamRemoteReset', 'DelayInjected',
  'FaultInjected', 'RateLimited', 'UnauthorizedExternalService', 'StreamIdleTimeout', 'DownstreamProtocolError',
  'UpstreamProtocolError', 'UpstreamMaxStreamDurationReached', 'DurationTimeout', 'FailedLocalHealthCheck',
  'OverloadManagerTerminated', 'DnsResolutionFailed', 'DropOverload', 'InvalidEnvoyRequestHeaders',
] as const satisfies { readonly length: (typeof FLAG_NAMES)['length'] } & readonly string[]; // prettier-ignore

/** As `formatFlags`, in words. */
export function formatLongFlags(flags: FlagSet): string {
  if (flags === NO_FLAGS) return '-';
  return LONG_NAMES.filter((_, bit) => (flags & (1 << bit)) !== 0).join(',');
}

export function flagBit(name: FlagName): FlagSet {
  return 1 << FLAG_NAMES.indexOf(name);
}

/** "UF,URX", or "-" for none, as access logs print them. */
export function formatFlags(flags: FlagSet): string {
  if (flags === NO_FLAGS) return '-';
  return FLAG_NAMES.filter((_, bit) => (flags & (1 << bit)) !== 0).join(',');
}
