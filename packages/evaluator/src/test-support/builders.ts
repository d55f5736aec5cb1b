// Builders for the tests of this package: configurations as JSON, in the spelling of the protos.
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { type RBAC, RBACSchema } from '@weft/contracts/lean/envoy/config/rbac/v3/rbac';
import { type RouteConfiguration, RouteConfigurationSchema } from '@weft/contracts/lean/envoy/config/route/v3/route';
import type { AuthorizationFacts } from '../facts.ts';

export const routeConfig = (json: JsonValue): RouteConfiguration => fromJson(RouteConfigurationSchema, json);
export const rbac = (json: JsonValue): RBAC => fromJson(RBACSchema, json);

export interface FactsInput {
  readonly headers?: Readonly<Record<string, string>>;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** A GET of `/` at `reviews:9080` without anything, changed by what is given. */
export function factsOf(
  given: Partial<Omit<AuthorizationFacts, 'header' | 'metadata'>> & FactsInput = {},
): AuthorizationFacts {
  const { headers = {}, metadata = {}, ...rest } = given;
  return {
    method: 'GET',
    path: '/',
    query: '',
    authority: 'reviews:9080',
    scheme: 'http',
    principals: [],
    directRemoteIp: '127.0.0.1',
    remoteIp: '127.0.0.1',
    destinationIp: '127.66.3.1',
    destinationPort: 9080,
    requestedServerName: '',
    ...rest,
    header: (name) => (Object.hasOwn(headers, name) ? headers[name] : undefined),
    metadata: (filter, path) => metadata[[filter, ...path].join('/')],
  };
}
