/** Requests through generated configuration, by the evaluator that the proxies use, without sockets. */
import { fromBinary } from '@bufbuild/protobuf';
import { PEER_METADATA } from '@weft/contracts';
import { HttpConnectionManagerSchema } from '@weft/contracts/lean/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { RBACSchema } from '@weft/contracts/lean/envoy/extensions/filters/http/rbac/v3/rbac';
import { RBACSchema as NetworkRbacSchema } from '@weft/contracts/lean/envoy/extensions/filters/network/rbac/v3/rbac';
import { ListenerSchema } from '@weft/contracts/lean/envoy/config/listener/v3/listener';
import { RouteConfigurationSchema } from '@weft/contracts/lean/envoy/config/route/v3/route';
import {
  compileRbac,
  compileRoutes,
  createRegexEngine,
  rewritePath,
  type AuthorizationFacts,
  type RouteMatch,
} from '@weft/evaluator';
import { seededRandom } from '@weft/kit';
import type { GeneratorContext } from '../generators/context.ts';
import { buildListeners } from '../generators/listeners.ts';
import { encodeListener, encodeRoutes } from '../generators/resource.ts';
import { buildRoutes } from '../generators/routes.ts';

export interface TestRequest {
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly principal?: string;
  /** As the peer's sidecar says it: `name;namespace;…`. */
  readonly peer?: string;
  readonly peerAddress?: string;
  readonly port?: number;
}

const regex = createRegexEngine();

export function factsOf({
  method = 'GET',
  path: target = '/',
  host = 'test',
  headers = {},
  principal,
  peer = '',
  peerAddress = '127.0.0.1',
  port = 9080,
}: TestRequest): AuthorizationFacts {
  const [path = '', query = ''] = target.split('?');
  return {
    method,
    path,
    query,
    authority: host,
    scheme: 'http',
    header: (name) => headers[name],
    principals: principal === undefined ? [] : [principal],
    directRemoteIp: peerAddress,
    remoteIp: peerAddress,
    destinationIp: '127.66.4.1',
    destinationPort: port,
    requestedServerName: '',
    metadata: (filter, [key]) => (filter === PEER_METADATA && key === 'workload' ? peer : undefined),
  };
}

export interface Routed {
  readonly match: RouteMatch | undefined;
  /** Route name; `none` when no host or route matched. */
  readonly route: string;
  readonly cluster: string;
  readonly path: string;
}

/** Compiles the named route configuration as a proxy would. */
export function routerOf(context: GeneratorContext, name: string, seed = 1): (request: TestRequest) => Routed {
  const [generated] = buildRoutes(context, [name]);
  if (!generated) throw new Error(`no route configuration ${name}`);
  const table = compileRoutes(fromBinary(RouteConfigurationSchema, encodeRoutes(generated).bytes), { regex });
  const random = seededRandom(seed);
  return (request) => {
    const facts = factsOf(request);
    const match = table.route(facts, random);
    const decision = match?.route.decision;
    return {
      match,
      route: match?.route.name ?? 'none',
      cluster: match?.cluster ?? '',
      path:
        match && decision?.kind === 'forward'
          ? rewritePath(facts.path, match.route.match, decision.prefixRewrite, decision.regexRewrite)
          : facts.path,
    };
  };
}

/** The verdict of a listener's RBAC filters, in order: the first that denies. */
export function guardOf(context: GeneratorContext, listener: string): (request: TestRequest) => 'allowed' | 'denied' {
  const generated = buildListeners(context).find((candidate) => candidate.name === listener);
  if (!generated) throw new Error(`no listener ${listener}`);
  const filters = fromBinary(ListenerSchema, encodeListener(generated).bytes).filterChains[0]?.filters ?? [];
  const rules = filters.flatMap(({ name, configType }) => {
    const value = configType.case === 'typedConfig' ? configType.value.value : new Uint8Array();
    if (name === 'envoy.filters.network.rbac') return [fromBinary(NetworkRbacSchema, value).rules];
    if (!name.endsWith('http_connection_manager')) return [];
    return fromBinary(HttpConnectionManagerSchema, value).httpFilters.flatMap((filter) =>
      filter.name === 'envoy.filters.http.rbac' && filter.configType.case === 'typedConfig'
        ? [fromBinary(RBACSchema, filter.configType.value.value).rules]
        : [],
    );
  });
  const guards = rules.flatMap((found) => (found ? [compileRbac(found, { regex }, listener)] : []));
  return (request) => (guards.every((guard) => guard.check(factsOf(request)).allowed) ? 'allowed' : 'denied');
}
