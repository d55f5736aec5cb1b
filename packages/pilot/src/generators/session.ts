import type { Any } from '@bufbuild/protobuf/wkt';
import { StatefulSessionPerRouteSchema } from '@weft/contracts/full/envoy/extensions/filters/http/stateful_session/v3/stateful_session';
import { CookieBasedSessionStateSchema } from '@weft/contracts/full/envoy/extensions/http/stateful_session/cookie/v3/cookie';
import { HeaderBasedSessionStateSchema } from '@weft/contracts/full/envoy/extensions/http/stateful_session/header/v3/header';
import type { Service } from '../model/service.ts';
import { pack } from './envoy.ts';

export const SESSION_FILTER = 'envoy.filters.http.stateful_session';

/** What a route to a service needs, so that callers stay with their instance. */
export function sessionConfig(service: Pick<Service, 'session'> | undefined): Record<string, Any> {
  const { session } = service ?? {};
  if (!session) return {};
  const typedConfig =
    session.kind === 'cookie'
      ? pack(CookieBasedSessionStateSchema, { cookie: { name: session.name, path: session.path } })
      : pack(HeaderBasedSessionStateSchema, { name: session.name });
  const sessionState = { name: `envoy.http.stateful_session.${session.kind}`, typedConfig };
  return {
    [SESSION_FILTER]: pack(StatefulSessionPerRouteSchema, {
      override: { case: 'statefulSession', value: { sessionState } },
    }),
  };
}
