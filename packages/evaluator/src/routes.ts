import type { RouteConfiguration } from '@weft/contracts/lean/envoy/config/route/v3/route';
import {
  VirtualHost_TlsRequirementType as TlsRequirement,
  type Route as RouteMessage,
  type VirtualHost as VirtualHostMessage,
} from '@weft/contracts/lean/envoy/config/route/v3/route_components';
import { type DecodeFilterConfig, decodeConfigs, overlay, withCors } from './filter-configs.ts';
import { compileMutations } from './header-mutations.ts';
import { buildHostTable } from './hosts.ts';
import type { RegexEngine } from './regex.ts';
import { at, type Place, reject } from './rejected.ts';
import { compileRateLimits, NO_RATE_LIMITS, type RateLimitRules } from './rate-limits.ts';
import { compileRetryPolicy } from './retry-policy.ts';
import {
  compileDirectResponse,
  compileForward,
  compileMirrors,
  compileRedirect,
  type HostDefaults,
  type RouteDecision,
} from './route-action.ts';
import { compileMatch, type CompiledMatch, fractionOf } from './route-match.ts';
import { type Choice, choose, compileChoice, httpsOnly, type Level, type TableContext } from './route-outcomes.ts';
import { buildProgram, type RouteProgram } from './route-program.ts';
import type { CompiledRoute, PackedConfig, RouteMatch, RouteTable } from './route-table.ts';

export interface RouteDeps<FilterConfig> {
  readonly regex: RegexEngine;
  /** Decodes one `typed_per_filter_config` entry, once per entry. What it throws refuses the resource. */
  readonly decodeFilterConfig: DecodeFilterConfig<FilterConfig>;
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
  const decode: DecodeFilterConfig<Config> =
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

interface CompiledHost<Config> {
  readonly program: RouteProgram;
  /** One per route. */
  readonly choices: readonly Choice<Config>[];
  /** The answer to plain HTTP where `require_tls` is set. */
  readonly httpsOnly: RouteMatch<Config> | undefined;
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
