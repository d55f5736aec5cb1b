// What compiled routes look like to those who route with them.
import type { DrawSource, RequestFacts } from './facts.ts';
import type { HeaderMutation } from './header-mutations.ts';
import type { RateLimitRules } from './rate-limits.ts';
import type { RouteDecision } from './route-action.ts';
import type { PathRule } from './route-match.ts';

/** An extension's message, still encoded. */
export interface PackedConfig {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

/** Sampling of a route, 0–1; undefined leaves the listener's. */
export interface RouteTracing {
  readonly clientSampling: number | undefined;
  readonly randomSampling: number | undefined;
  readonly overallSampling: number | undefined;
}

export interface CompiledRoute {
  readonly name: string;
  readonly virtualHost: string;
  readonly match: PathRule;
  readonly decision: RouteDecision;
  /** Span name; empty when none is set. */
  readonly operation: string;
  readonly tracing: RouteTracing | undefined;
  /** Filter metadata of the route, by namespace. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Write `x-envoy-attempt-count` to the upstream, and to the caller. */
  readonly attemptCountInRequest: boolean;
  readonly attemptCountInResponse: boolean;
  readonly rateLimits: RateLimitRules;
}

/**
 * One possible outcome, made when the configuration is compiled: a route, and one of its clusters. `index` numbers the
 * outcomes of a table from 0, so that a user can keep what it derives from them in an array.
 */
export interface RouteMatch<FilterConfig = PackedConfig> {
  readonly index: number;
  readonly route: CompiledRoute;
  /** Empty for redirects and direct responses, and when the cluster stands in a header. */
  readonly cluster: string;
  /** Lower-case name of the header that names the cluster; empty when `cluster` is meant. */
  readonly clusterHeader: string;
  /** Replaces the authority; empty leaves it. */
  readonly hostRewrite: string;
  /** In the order in which they are to be made. */
  readonly requestMutations: readonly HeaderMutation[];
  readonly responseMutations: readonly HeaderMutation[];
  /** By the filter's name in the listener: weighted cluster, else route, else virtual host. */
  readonly filterConfigs: ReadonlyMap<string, FilterConfig>;
}

export interface RouteTable<FilterConfig = PackedConfig> {
  readonly name: string;
  /** Every outcome, by index. */
  readonly matches: readonly RouteMatch<FilterConfig>[];
  /** @returns undefined when no host or no route matches. Allocates nothing. */
  route(facts: RequestFacts, random: DrawSource): RouteMatch<FilterConfig> | undefined;
}
