/** The HTTP routes of one virtual service, as one proxy sees them on one port. */
import { create } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { RouteSchema, type Route, type RouteMatch } from '@weft/contracts/full/envoy/config/route/v3/route_components';
import type { SourceRef } from '../config-store/config-object.ts';
import type { HttpMatch, HttpRoute } from '../config-store/kinds.ts';
import type { Service } from '../model/service.ts';
import type { VirtualService } from '../snapshot/scope.ts';
import type { GeneratorContext } from './context.ts';
import { corsPolicy } from './cors.ts';
import { configMetadata, type Init } from './envoy.ts';
import { httpFault } from './fault.ts';
import { headerFields } from './header-operations.ts';
import { CORS_FILTER, FAULT_FILTER } from './http-connection-manager.ts';
import { directResponse, forwardAction, redirectAction, soleDestinationHeaders } from './route-action.ts';
import { routeLimits } from './local-rate-limit.ts';
import { isCatchAll, routeMatch } from './route-match.ts';
import { sessionConfig } from './session.ts';
import { holdsStatically, type RouteSite } from './static-match.ts';

export interface MadeRoutes {
  readonly routes: readonly Route[];
  readonly refs: readonly SourceRef[];
}

/** In the order written; nothing after a route that takes everything. */
export function virtualServiceRoutes(
  context: GeneratorContext,
  virtualService: VirtualService,
  site: RouteSite,
): MadeRoutes {
  const routes: Route[] = [];
  const refs: SourceRef[] = [virtualService.ref];
  for (const http of virtualService.spec.http ?? []) {
    for (const match of blocks(http, site)) {
      const made = buildRoute(context, virtualService, http, match, site);
      if (!made) continue;
      routes.push(made.route);
      refs.push(...made.refs);
      if (isCatchAll(made.match)) return { routes, refs };
    }
  }
  return { routes, refs };
}

/** Match blocks that can hold here; a route without any matches everything, one whose blocks all fell away nothing. */
function blocks(http: HttpRoute, site: RouteSite): readonly (HttpMatch | undefined)[] {
  const matches = http.match ?? [];
  return matches.length === 0 ? [undefined] : matches.filter((match) => holdsStatically(match, site));
}

interface MadeRoute {
  readonly route: Route;
  readonly match: RouteMatch;
  readonly refs: readonly SourceRef[];
}

function buildRoute(
  context: GeneratorContext,
  virtualService: VirtualService,
  http: HttpRoute,
  match: HttpMatch | undefined,
  site: RouteSite,
): MadeRoute | undefined {
  const routed = routeMatch(match);
  const made = actionOf(context, virtualService, http, match, routed, site);
  if (!made) return undefined;
  const limits = routeLimits(context, http.name ?? '', site.port);
  const { action } = made;
  const metadata = configMetadata(virtualService.ref);
  const route = create(RouteSchema, {
    name: [http.name, match?.name].filter((part) => part !== undefined && part !== '').join('.'),
    match: routed,
    action:
      action.case === 'route' && limits.rateLimits.length > 0
        ? { case: 'route', value: { ...action.value, rateLimits: [...limits.rateLimits] } }
        : action,
    ...(metadata ? { metadata } : {}),
    decorator: { operation: made.operation },
    typedPerFilterConfig: { ...perFilter(http), ...sessionConfig(made.service), ...limits.perFilter },
    ...levels(http),
  });
  return { route, match: routed, refs: [...made.refs, ...limits.refs] };
}

interface MadeAction {
  readonly action: NonNullable<Init<typeof RouteSchema>['action']>;
  readonly operation: string;
  /** Where it forwards to first. */
  readonly service?: Service | undefined;
  readonly refs: readonly SourceRef[];
}

function actionOf(
  context: GeneratorContext,
  virtualService: VirtualService,
  http: HttpRoute,
  match: HttpMatch | undefined,
  routed: RouteMatch,
  site: RouteSite,
): MadeAction | undefined {
  const { port } = site;
  const path = pathPattern(routed);
  const own = `${virtualService.name}:${port}${path}`;
  if (http.redirect) {
    const redirect = redirectAction(http.redirect, site);
    if (!redirect) return undefined;
    return { action: { case: 'redirect', value: redirect }, operation: own, refs: [] };
  }
  if (http.directResponse) {
    return { action: { case: 'directResponse', value: directResponse(http.directResponse) }, operation: own, refs: [] };
  }
  // A delegate is refused where it enters (its effect in the schema); a route without any action makes nothing.
  if (!http.route || http.route.length === 0) return undefined;
  const { action, first, refs } = forwardAction(context, virtualService, http, port, match?.uri !== undefined);
  const operation = first ? `${first.hostname}:${first.port}${path}` : own;
  return { action: { case: 'route', value: action }, operation, service: first?.service, refs };
}

function pathPattern({ pathSpecifier }: RouteMatch): string {
  switch (pathSpecifier.case) {
    case 'path':
      return pathSpecifier.value;
    case 'prefix':
      return `${pathSpecifier.value}*`;
    case 'safeRegex':
      return pathSpecifier.value.regex;
    default:
      return '/*';
  }
}

function perFilter(http: HttpRoute): Record<string, Any> {
  const fault = http.fault ? httpFault(http.fault) : undefined;
  return {
    ...(http.corsPolicy ? { [CORS_FILTER]: corsPolicy(http.corsPolicy) } : {}),
    ...(fault ? { [FAULT_FILTER]: fault } : {}),
  };
}

/** Operations of the only destination come before those of the route, so that the route has the last word where both set a header. */
function levels(http: HttpRoute): ReturnType<typeof headerFields> {
  const destination = headerFields(soleDestinationHeaders(http));
  const route = headerFields(http.headers);
  return {
    ...joined('requestHeadersToAdd', destination, route),
    ...joined('requestHeadersToRemove', destination, route),
    ...joined('responseHeadersToAdd', destination, route),
    ...joined('responseHeadersToRemove', destination, route),
  };
}

function joined<Field extends keyof ReturnType<typeof headerFields>>(
  field: Field,
  ...parts: readonly ReturnType<typeof headerFields>[]
): ReturnType<typeof headerFields> {
  const all = parts.flatMap((part): readonly unknown[] => part[field] ?? []);
  return all.length === 0 ? {} : { [field]: all };
}
