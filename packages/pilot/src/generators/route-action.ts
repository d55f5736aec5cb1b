/** What a matched HTTP route does: forward, redirect or answer. */
import { create } from '@bufbuild/protobuf';
import {
  RedirectAction_RedirectResponseCode,
  type DirectResponseActionSchema,
  type RedirectActionSchema,
  RouteActionSchema,
  type RouteAction,
  type RouteAction_HashPolicySchema,
  type WeightedCluster_ClusterWeightSchema,
} from '@weft/contracts/full/envoy/config/route/v3/route_components';
import type { SourceRef } from '../config-store/config-object.ts';
import type {
  ConsistentHash,
  Destination,
  HttpDirectResponse,
  HttpRedirect,
  HttpRoute,
  Percent,
} from '../config-store/kinds.ts';
import { durationMs } from '../model/duration.ts';
import { effectivePolicy, findDestinationRule } from '../snapshot/destination-rules.ts';
import type { VirtualService } from '../snapshot/scope.ts';
import type { GeneratorContext } from './context.ts';
import { resolveDestination, type ResolvedDestination } from './destinations.ts';
import { duration, percentage, type Init } from './envoy.ts';
import { authorityOf, headerFields } from './header-operations.ts';
import { retryPolicy } from './retry.ts';
import type { RouteSite } from './static-match.ts';

export interface ForwardAction {
  readonly action: RouteAction;
  /** Where it goes first, for the name of the span. */
  readonly first: ResolvedDestination | undefined;
  readonly refs: readonly SourceRef[];
}

/** @param accessedPort the port that the caller addressed, for destinations without one. */
export function forwardAction(
  context: GeneratorContext,
  virtualService: VirtualService,
  route: HttpRoute,
  accessedPort: number,
  matchesPath: boolean,
): ForwardAction {
  const { mesh } = context.snapshot;
  const destinations = (route.route ?? []).map((target) => ({
    target,
    resolved: resolveDestination(context, target.destination, virtualService.namespace, accessedPort),
  }));
  const hashes = destinations.map(({ target, resolved }) => hashPolicyOf(context, resolved, target.destination.subset));
  const timeoutMs = durationMs(route.timeout) ?? 0;
  const hashPolicy = uniqueHashes(hashes.flatMap((found) => found.policies));
  const retry = retryPolicy(route.retries, mesh.defaultHttpRetryPolicy, hashPolicy.length > 0);
  const mirrors = mirrorsOf(route).map(({ destination, percent }) => ({
    cluster: resolveDestination(context, destination, virtualService.namespace, accessedPort).cluster,
    runtimeFraction: { defaultValue: percentage(percent), runtimeKey: '' },
    traceSampled: false,
    // Istio's copies keep their host since 1.28.
    disableShadowHostSuffixAppend: true,
  }));
  const authority = route.rewrite?.authority ?? authorityOf(route.headers);
  const [single, ...others] = destinations;
  const weighted = destinations.filter(({ target }) => (target.weight ?? 0) > 0);
  const only = others.length === 0 ? single : weighted.length === 1 ? weighted[0] : undefined;
  const action = create(RouteActionSchema, {
    clusterSpecifier: only
      ? { case: 'cluster', value: only.resolved.cluster }
      : {
          case: 'weightedClusters',
          value: { clusters: weighted.map(({ target, resolved }) => clusterWeight(target, resolved)) },
        },
    ...timeLimits(timeoutMs),
    ...(retry ? { retryPolicy: retry } : {}),
    ...(mirrors.length > 0 ? { requestMirrorPolicies: mirrors } : {}),
    ...(hashPolicy.length > 0 ? { hashPolicy } : {}),
    ...rewrite(route, matchesPath),
    ...hostRewrite(authority ?? (only ? authorityOf(only.target.headers) : undefined)),
  });
  return { action, first: only?.resolved ?? weighted[0]?.resolved, refs: hashes.flatMap((found) => found.refs) };
}

/** Of one exchange; 0 = none. gRPC callers say their own deadline, up to the route's. */
export const timeLimits = (
  timeoutMs: number,
): Pick<Init<typeof RouteActionSchema>, 'timeout' | 'maxStreamDuration'> => ({
  timeout: duration(timeoutMs),
  maxStreamDuration: { maxStreamDuration: duration(0), grpcTimeoutHeaderMax: duration(timeoutMs) },
});

type HttpRouteTarget = NonNullable<HttpRoute['route']>[number];

/** The only destination's header operations belong to the route: there is no weighted cluster to carry them. */
export function soleDestinationHeaders(route: HttpRoute): HttpRouteTarget['headers'] {
  const targets = route.route ?? [];
  const weighted = targets.filter((target) => (target.weight ?? 0) > 0);
  return targets.length === 1 ? targets[0]?.headers : weighted.length === 1 ? weighted[0]?.headers : undefined;
}

function clusterWeight(
  target: HttpRouteTarget,
  resolved: ResolvedDestination,
): Init<typeof WeightedCluster_ClusterWeightSchema> {
  const authority = authorityOf(target.headers);
  return {
    name: resolved.cluster,
    weight: target.weight ?? 0,
    ...headerFields(target.headers),
    ...(authority === undefined ? {} : { hostRewriteSpecifier: { case: 'hostRewriteLiteral', value: authority } }),
  };
}

function hostRewrite(authority: string | undefined): Init<typeof RouteActionSchema> {
  return authority === undefined ? {} : { hostRewriteSpecifier: { case: 'hostRewriteLiteral', value: authority } };
}

/** What the route matched of the path is replaced (for a regular expression: all of it); a route that matches any path replaces the whole. */
function rewrite(route: HttpRoute, matchesPath: boolean): Init<typeof RouteActionSchema> {
  const { uri, uriRegexRewrite } = route.rewrite ?? {};
  if (uriRegexRewrite) {
    return {
      regexRewrite: { pattern: { regex: uriRegexRewrite.match ?? '' }, substitution: uriRegexRewrite.rewrite ?? '' },
    };
  }
  if (uri === undefined || uri === '') return {};
  // A literal path: backslashes would be group references.
  if (!matchesPath)
    return { regexRewrite: { pattern: { regex: '^.*$' }, substitution: uri.replaceAll('\\', String.raw`\\`) } };
  return { prefixRewrite: uri };
}

function mirrorsOf(route: HttpRoute): readonly { readonly destination: Destination; readonly percent: number }[] {
  const percent = (value: Percent | undefined): number => (value === undefined ? 100 : (value.value ?? 0));
  const all = [
    ...(route.mirror ? [{ destination: route.mirror, percent: percent(route.mirrorPercentage) }] : []),
    ...(route.mirrors ?? []).map((mirror) => ({
      destination: mirror.destination,
      percent: percent(mirror.percentage),
    })),
  ];
  return all.filter((mirror) => mirror.percent > 0);
}

type HashPolicyInit = Init<typeof RouteAction_HashPolicySchema>;

interface FoundHash {
  readonly policies: readonly HashPolicyInit[];
  readonly refs: readonly SourceRef[];
}

export function hashPolicyOf(
  { snapshot, proxy }: GeneratorContext,
  destination: ResolvedDestination,
  subsetName?: string,
): FoundHash {
  const { service, port } = destination;
  const rule = service ? findDestinationRule(snapshot, proxy, service) : undefined;
  if (!rule) return { policies: [], refs: [] };
  const subset = rule.subsets.find((candidate) => candidate.name === subsetName);
  const hash = effectivePolicy(rule, port, subset).loadBalancer?.consistentHash;
  const policy = hash ? hashPolicy(hash) : undefined;
  return policy ? { policies: [policy], refs: rule.refs } : { policies: [], refs: [] };
}

function hashPolicy(hash: ConsistentHash): HashPolicyInit | undefined {
  if (hash.httpHeaderName !== undefined)
    return { policySpecifier: { case: 'header', value: { headerName: hash.httpHeaderName } } };
  if (hash.httpCookie) {
    const ttl = durationMs(hash.httpCookie.ttl) ?? (hash.httpCookie.ttl === '0' ? 0 : undefined);
    return {
      policySpecifier: {
        case: 'cookie',
        value: {
          name: hash.httpCookie.name,
          path: hash.httpCookie.path ?? '',
          ...(ttl === undefined ? {} : { ttl: duration(ttl) }),
          attributes: (hash.httpCookie.attributes ?? []).map(({ name, value = '' }) => ({ name, value })),
        },
      },
    };
  }
  if (hash.useSourceIp) return { policySpecifier: { case: 'connectionProperties', value: { sourceIp: true } } };
  if (hash.httpQueryParameterName !== undefined)
    return { policySpecifier: { case: 'queryParameter', value: { name: hash.httpQueryParameterName } } };
  return undefined;
}

function uniqueHashes(policies: readonly HashPolicyInit[]): HashPolicyInit[] {
  const seen = new Set<string>();
  return policies.filter((policy) => {
    const key = JSON.stringify(policy, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
    return seen.has(key) ? false : Boolean(seen.add(key));
  });
}

const REDIRECT_CODE: Readonly<Record<number, RedirectAction_RedirectResponseCode>> = {
  301: RedirectAction_RedirectResponseCode.MOVED_PERMANENTLY,
  302: RedirectAction_RedirectResponseCode.FOUND,
  303: RedirectAction_RedirectResponseCode.SEE_OTHER,
  307: RedirectAction_RedirectResponseCode.TEMPORARY_REDIRECT,
  308: RedirectAction_RedirectResponseCode.PERMANENT_REDIRECT,
};

/** @returns undefined for a code that Envoy can not send; such a route is left out (Istio). */
export function redirectAction(
  redirect: HttpRedirect,
  { port: accessedPort, proxy }: Pick<RouteSite, 'port' | 'proxy'>,
): Init<typeof RedirectActionSchema> | undefined {
  const responseCode = REDIRECT_CODE[redirect.redirectCode ?? 301];
  if (responseCode === undefined) return undefined;
  const { uri, prefixRewrite, scheme } = redirect;
  const port = redirectPort(redirect, accessedPort, proxy.type === 'sidecar');
  return {
    responseCode,
    hostRedirect: redirect.authority ?? '',
    ...(scheme === undefined || scheme === ''
      ? {}
      : { schemeRewriteSpecifier: { case: 'schemeRedirect', value: scheme } }),
    // Also where it is the scheme's own: the port of the request would stay otherwise.
    ...(port === undefined || port === 0 ? {} : { portRedirect: port }),
    ...(uri !== undefined && uri !== ''
      ? { pathRewriteSpecifier: { case: 'pathRedirect', value: uri } }
      : prefixRewrite === undefined
        ? {}
        : { pathRewriteSpecifier: { case: 'prefixRewrite', value: prefixRewrite } }),
  };
}

/** A port per scheme, or the one that was called: both are known here, so that proxies need not know of it. */
function redirectPort(
  { port, derivePort, scheme }: HttpRedirect,
  accessedPort: number,
  plain: boolean,
): number | undefined {
  switch (derivePort) {
    case 'FROM_REQUEST_PORT':
      return accessedPort;
    case 'FROM_PROTOCOL_DEFAULT':
      if (scheme === 'https') return 443;
      // A gateway's own scheme is known to it alone; then the port stays that of the request.
      return scheme === 'http' || plain ? 80 : undefined;
    default:
      return port;
  }
}

export function directResponse({ status, body }: HttpDirectResponse): Init<typeof DirectResponseActionSchema> {
  if (body?.string !== undefined) return { status, body: { specifier: { case: 'inlineString', value: body.string } } };
  if (body?.bytes !== undefined)
    return {
      status,
      body: { specifier: { case: 'inlineBytes', value: Uint8Array.from(Buffer.from(body.bytes, 'base64')) } },
    };
  return { status };
}
