import type { RouteConfiguration } from '@weft/contracts/lean/envoy/config/route/v3/route';
import { toBinary } from '@bufbuild/protobuf';
import {
  type CorsPolicy,
  CorsPolicySchema,
  VirtualHost_TlsRequirementType as TlsRequirement,
  type Route as RouteMessage,
  type RouteAction as RouteActionMessage,
  type VirtualHost as VirtualHostMessage,
} from '@weft/contracts/lean/envoy/config/route/v3/route_components';
import type { DrawSource, RequestFacts } from './facts.ts';
import { compileMutations, type HeaderMutation, joinMutations, type Mutations } from './header-mutations.ts';
import { buildHostTable } from './hosts.ts';
import type { RegexEngine } from './regex.ts';
import { at, ConfigRejectedError, type Place, reject } from './rejected.ts';
import { compileRateLimits, NO_RATE_LIMITS, type RateLimitRules } from './rate-limits.ts';
import { compileRetryPolicy } from './retry-policy.ts';
import {
  compileDirectResponse,
  compileForward,
  compileMirrors,
  compileRedirect,
  type HostDefaults,
  HTTPS_REDIRECT,
  type MirrorPolicy,
  type RouteDecision,
} from './route-action.ts';
import { compileMatch, type CompiledMatch, fractionOf, type PathRule } from './route-match.ts';
import { buildProgram, type RouteProgram } from './route-program.ts';

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

export interface RouteDeps<FilterConfig> {
  readonly regex: RegexEngine;
  /** Decodes one `typed_per_filter_config` entry, once per entry. What it throws refuses the resource. */
  readonly decodeFilterConfig: (filter: string, config: PackedConfig) => FilterConfig;
}

const DEFAULT_MAX_BODY_BYTES = 4096;

/** @throws {ConfigRejectedError} naming the configuration and the field. */
export function compileRoutes<FilterConfig>(
  config: RouteConfiguration,
  deps: RouteDeps<FilterConfig>,
): RouteTable<FilterConfig>;
export function compileRoutes(config: RouteConfiguration, deps: { readonly regex: RegexEngine }): RouteTable;
export function compileRoutes<FilterConfig>(
  config: RouteConfiguration,
  deps: { readonly regex: RegexEngine } | RouteDeps<FilterConfig>,
): RouteTable<FilterConfig | PackedConfig> {
  type Config = FilterConfig | PackedConfig;
  const root: Place = { resource: `RouteConfiguration "${config.name}"`, path: '' };
  const decode: (filter: string, packed: PackedConfig) => Config =
    'decodeFilterConfig' in deps ? deps.decodeFilterConfig : (_, packed) => packed;
  const context: TableContext<Config> = {
    config,
    regex: deps.regex,
    decode,
    matches: [],
    root: compileMutations(config, root),
    rootMirrors: compileMirrors(config.requestMirrorPolicies, root),
    rootFilters: decodeConfigs(config.typedPerFilterConfig, decode, root),
  };
  const hosts = buildHostTable(
    config.virtualHosts.map((host, i) => {
      const place = at(root, `virtual_hosts[${i}]`);
      return { domains: host.domains, value: compileHost(host, context, place), place };
    }),
    config.ignorePortInHostMatching,
  );
  return {
    name: config.name,
    matches: context.matches,
    route(facts, random) {
      const host = hosts.find(facts.authority);
      if (host === undefined) return undefined;
      if (host.httpsOnly !== undefined && facts.scheme !== 'https') return host.httpsOnly;
      const number = host.program(facts, random);
      const choice = number === -1 ? undefined : host.choices[number];
      return choice === undefined ? undefined : choose(choice, random);
    },
  };
}

interface TableContext<Config> {
  readonly config: RouteConfiguration;
  readonly regex: RegexEngine;
  readonly decode: (filter: string, packed: PackedConfig) => Config;
  readonly matches: RouteMatch<Config>[];
  readonly root: Mutations;
  readonly rootMirrors: readonly MirrorPolicy[];
  readonly rootFilters: ReadonlyMap<string, Config>;
}

interface CompiledHost<Config> {
  readonly program: RouteProgram;
  /** One per route. */
  readonly choices: readonly Choice<Config>[];
  /** The answer to plain HTTP where `require_tls` is set. */
  readonly httpsOnly: RouteMatch<Config> | undefined;
}

/** A route's outcomes with the running sum of their weights. */
interface Choice<Config> {
  readonly outcomes: readonly RouteMatch<Config>[];
  readonly sums: readonly number[];
  readonly total: number;
}

function choose<Config>({ outcomes, sums, total }: Choice<Config>, random: DrawSource): RouteMatch<Config> | undefined {
  if (outcomes.length === 1) return outcomes[0];
  const drawn = random.next() * total;
  for (let i = 0; i < sums.length; i += 1) if (drawn < (sums[i] ?? 0)) return outcomes[i];
  return outcomes.at(-1);
}

function compileHost<Config>(
  host: VirtualHostMessage,
  context: TableContext<Config>,
  place: Place,
): CompiledHost<Config> {
  const mutations = compileMutations(host, place);
  const filters = overlay(
    context.rootFilters,
    decodeConfigs(withCors(host.typedPerFilterConfig, host.cors), context.decode, place),
  );
  const defaults: HostDefaults = {
    retry:
      host.retryPolicy === undefined
        ? undefined
        : compileRetryPolicy(host.retryPolicy, context.regex, at(place, 'retry_policy')),
    rateLimits: compileRateLimits(host.rateLimits, context.regex, place),
    mirrors:
      host.requestMirrorPolicies.length > 0 ? compileMirrors(host.requestMirrorPolicies, place) : context.rootMirrors,
  };
  const compiled: CompiledMatch[] = [];
  const choices = host.routes.map((message, i) => {
    const here = at(place, `routes[${i}]`);
    const match = compileMatch(message.match, context.regex, at(here, 'match'));
    compiled.push(match);
    const level: Level<Config> = { mutations: [mutations, context.root], filters };
    return compileChoice(message, routeOf(message, match, host, defaults, context, here), level, context, here);
  });
  return {
    program: buildProgram(compiled),
    choices,
    httpsOnly: host.requireTls === TlsRequirement.NONE ? undefined : httpsOnly(host, context, mutations, filters),
  };
}

/** What surrounds a route: edits from the nearest outward, and filter configuration. */
interface Level<Config> {
  readonly mutations: readonly Mutations[];
  readonly filters: ReadonlyMap<string, Config>;
}

function routeOf<Config>(
  message: RouteMessage,
  match: CompiledMatch,
  host: VirtualHostMessage,
  defaults: HostDefaults,
  context: TableContext<Config>,
  place: Place,
): CompiledRoute {
  const { tracing } = message;
  const sampling = (percent: Parameters<typeof fractionOf>[0]): number | undefined =>
    percent === undefined ? undefined : fractionOf(percent);
  return {
    name: message.name,
    virtualHost: host.name,
    match: match.path,
    decision: decisionOf(message, defaults, context, place),
    operation: message.decorator?.operation ?? '',
    tracing:
      tracing === undefined
        ? undefined
        : {
            clientSampling: sampling(tracing.clientSampling),
            randomSampling: sampling(tracing.randomSampling),
            overallSampling: sampling(tracing.overallSampling),
          },
    metadata: message.metadata?.filterMetadata ?? {},
    attemptCountInRequest: host.includeRequestAttemptCount,
    attemptCountInResponse: host.includeAttemptCountInResponse,
    rateLimits: rateLimitsOf(message, context, defaults, place),
  };
}

function rateLimitsOf<Config>(
  { action }: RouteMessage,
  { regex }: TableContext<Config>,
  { rateLimits: host }: HostDefaults,
  place: Place,
): RateLimitRules {
  if (action.case !== 'route') return host.length === 0 ? NO_RATE_LIMITS : { ...NO_RATE_LIMITS, host };
  const { rateLimits, includeVhRateLimits } = action.value;
  if (rateLimits.length === 0 && host.length === 0) return NO_RATE_LIMITS;
  const route = compileRateLimits(rateLimits, regex, at(place, 'route'));
  return { route, host, includeHost: includeVhRateLimits ?? false };
}

function decisionOf<Config>(
  { action }: RouteMessage,
  defaults: HostDefaults,
  { config, regex }: TableContext<Config>,
  place: Place,
): RouteDecision {
  switch (action.case) {
    case 'route':
      return compileForward(action.value, defaults, regex, at(place, 'route'));
    case 'redirect':
      return compileRedirect(action.value, regex, at(place, 'redirect'));
    case 'directResponse': {
      const maxBytes = config.maxDirectResponseBodySizeBytes ?? DEFAULT_MAX_BODY_BYTES;
      return compileDirectResponse(action.value, maxBytes, at(place, 'direct_response'));
    }
    case undefined:
      return reject(place, 'no action is set, or one that is not supported');
  }
}

function compileChoice<Config>(
  message: RouteMessage,
  route: CompiledRoute,
  around: Level<Config>,
  context: TableContext<Config>,
  place: Place,
): Choice<Config> {
  const level: Level<Config> = {
    mutations: [compileMutations(message, place), ...around.mutations],
    filters: overlay(
      around.filters,
      decodeConfigs(withCors(message.typedPerFilterConfig, corsOf(message)), context.decode, place),
    ),
  };
  if (message.action.case !== 'route') return only(addOutcome(route, {}, level, context));
  const action = message.action.value;
  const hostRewrite =
    action.hostRewriteSpecifier.case === 'hostRewriteLiteral' ? action.hostRewriteSpecifier.value : '';
  const { clusterSpecifier } = action;
  const here = at(place, 'route');
  switch (clusterSpecifier.case) {
    case 'cluster':
      if (clusterSpecifier.value === '') return reject(at(here, 'cluster'), 'the name is empty');
      return only(addOutcome(route, { cluster: clusterSpecifier.value, hostRewrite }, level, context));
    case 'clusterHeader': {
      const clusterHeader = clusterSpecifier.value.toLowerCase();
      if (clusterHeader === '') return reject(at(here, 'cluster_header'), 'the name is empty');
      return only(addOutcome(route, { clusterHeader, hostRewrite }, level, context));
    }
    case 'weightedClusters':
      return weighted(clusterSpecifier.value, route, hostRewrite, level, context, at(here, 'weighted_clusters'));
    case undefined:
      return reject(here, 'no cluster is set, or by a means that is not supported');
  }
}

type WeightedClusters = Extract<RouteActionMessage['clusterSpecifier'], { case: 'weightedClusters' }>['value'];

function weighted<Config>(
  { clusters, totalWeight }: WeightedClusters,
  route: CompiledRoute,
  hostRewrite: string,
  level: Level<Config>,
  context: TableContext<Config>,
  place: Place,
): Choice<Config> {
  const outcomes: RouteMatch<Config>[] = [];
  const sums: number[] = [];
  let total = 0;
  clusters.forEach((entry, i) => {
    const here = at(place, `clusters[${i}]`);
    if (entry.name === '') reject(at(here, 'name'), 'the name is empty');
    if (entry.weight === undefined) reject(at(here, 'weight'), 'is not set');
    if (entry.weight === 0) return;
    total += entry.weight;
    sums.push(total);
    outcomes.push(
      addOutcome(
        route,
        {
          cluster: entry.name,
          hostRewrite:
            entry.hostRewriteSpecifier.case === 'hostRewriteLiteral' ? entry.hostRewriteSpecifier.value : hostRewrite,
        },
        {
          mutations: [compileMutations(entry, here), ...level.mutations],
          filters: overlay(level.filters, decodeConfigs(entry.typedPerFilterConfig, context.decode, here)),
        },
        context,
      ),
    );
  });
  if (total === 0) return reject(place, 'the weights sum to 0');
  if (totalWeight !== undefined && totalWeight !== total) {
    return reject(at(place, 'total_weight'), `${totalWeight} is not the sum of the weights, ${total}`);
  }
  return { outcomes, sums, total };
}

const only = <Config>(outcome: RouteMatch<Config>): Choice<Config> => ({ outcomes: [outcome], sums: [1], total: 1 });

function addOutcome<Config>(
  route: CompiledRoute,
  target: { readonly cluster?: string; readonly clusterHeader?: string; readonly hostRewrite?: string },
  level: Level<Config>,
  context: TableContext<Config>,
): RouteMatch<Config> {
  const edits = joinMutations(level.mutations, context.config.mostSpecificHeaderMutationsWins);
  const outcome: RouteMatch<Config> = {
    index: context.matches.length,
    route,
    cluster: target.cluster ?? '',
    clusterHeader: target.clusterHeader ?? '',
    hostRewrite: target.hostRewrite ?? '',
    requestMutations: edits.request,
    responseMutations: edits.response,
    filterConfigs: level.filters,
  };
  context.matches.push(outcome);
  return outcome;
}

function httpsOnly<Config>(
  host: VirtualHostMessage,
  context: TableContext<Config>,
  mutations: Mutations,
  filters: ReadonlyMap<string, Config>,
): RouteMatch<Config> {
  const route: CompiledRoute = {
    name: '',
    virtualHost: host.name,
    match: { kind: 'prefix', text: '', caseSensitive: true, test: () => true },
    decision: HTTPS_REDIRECT,
    operation: '',
    tracing: undefined,
    metadata: {},
    attemptCountInRequest: false,
    attemptCountInResponse: false,
    rateLimits: NO_RATE_LIMITS,
  };
  return addOutcome(route, {}, { mutations: [mutations, context.root], filters }, context);
}

const corsOf = ({ action }: RouteMessage): CorsPolicy | undefined =>
  action.case === 'route' ? action.value.cors : undefined;

const CORS_FILTER = 'envoy.filters.http.cors';

/** The older place of a CORS policy; the filter's own configuration counts before it. */
function withCors(
  packed: Readonly<Record<string, PackedConfig>>,
  cors: CorsPolicy | undefined,
): Readonly<Record<string, PackedConfig>> {
  if (cors === undefined || packed[CORS_FILTER] !== undefined) return packed;
  const typeUrl = `type.googleapis.com/${CorsPolicySchema.typeName}`;
  return { ...packed, [CORS_FILTER]: { typeUrl, value: toBinary(CorsPolicySchema, cors) } };
}

function decodeConfigs<Config>(
  packed: Readonly<Record<string, PackedConfig>>,
  decode: TableContext<Config>['decode'],
  place: Place,
): ReadonlyMap<string, Config> {
  const decoded = new Map<string, Config>();
  for (const [filter, config] of Object.entries(packed)) {
    const here = at(place, `typed_per_filter_config["${filter}"]`);
    try {
      decoded.set(filter, decode(filter, config));
    } catch (error) {
      if (error instanceof ConfigRejectedError) throw error;
      reject(here, 'can not be read', error);
    }
  }
  return decoded;
}

const overlay = <Config>(
  outer: ReadonlyMap<string, Config>,
  inner: ReadonlyMap<string, Config>,
): ReadonlyMap<string, Config> => (inner.size === 0 ? outer : new Map([...outer, ...inner]));
