// A route's possible outcomes: one of its clusters, with what route, host and configuration say around it.
import type { RouteConfiguration } from '@weft/contracts/lean/envoy/config/route/v3/route';
import type {
  CorsPolicy,
  Route as RouteMessage,
  RouteAction as RouteActionMessage,
  VirtualHost as VirtualHostMessage,
} from '@weft/contracts/lean/envoy/config/route/v3/route_components';
import type { DrawSource } from './facts.ts';
import { type DecodeFilterConfig, decodeConfigs, type FilterConfigs, overlay, withCors } from './filter-configs.ts';
import { compileMutations, joinMutations, type Mutations } from './header-mutations.ts';
import { NO_RATE_LIMITS } from './rate-limits.ts';
import type { RegexEngine } from './regex.ts';
import { at, type Place, reject } from './rejected.ts';
import { HTTPS_REDIRECT, type MirrorPolicy } from './route-action.ts';
import type { CompiledRoute, RouteMatch } from './route-table.ts';

/** What all routes of a table share while it is compiled. */
export interface TableContext<Config> {
  readonly config: RouteConfiguration;
  readonly regex: RegexEngine;
  readonly decode: DecodeFilterConfig<Config>;
  readonly matches: RouteMatch<Config>[];
  readonly root: Mutations;
  readonly rootMirrors: readonly MirrorPolicy[];
  readonly rootFilters: FilterConfigs<Config>;
}

/** A route's outcomes with the running sum of their weights. */
export interface Choice<Config> {
  readonly outcomes: readonly RouteMatch<Config>[];
  readonly sums: readonly number[];
  readonly total: number;
}

export function choose<Config>(
  { outcomes, sums, total }: Choice<Config>,
  random: DrawSource,
): RouteMatch<Config> | undefined {
  if (outcomes.length === 1) return outcomes[0];
  const drawn = random.next() * total;
  for (let i = 0; i < sums.length; i += 1) if (drawn < (sums[i] ?? 0)) return outcomes[i];
  return outcomes.at(-1);
}

/** What surrounds a route: edits from the nearest outward, and filter configuration. */
export interface Level<Config> {
  readonly mutations: readonly Mutations[];
  readonly filters: FilterConfigs<Config>;
}

/** @returns what the route's requests get: one cluster, or one of several by weight. */
export function compileChoice<Config>(
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

/** The answer to plain HTTP where `require_tls` is set. */
export function httpsOnly<Config>(
  host: VirtualHostMessage,
  context: TableContext<Config>,
  mutations: Mutations,
  filters: FilterConfigs<Config>,
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
