/** RDS: one route configuration per name that a proxy asks for; an unknown name gets an empty one, so that nobody waits. */
import { create } from '@bufbuild/protobuf';
import { RouteConfigurationSchema } from '@weft/contracts/full/envoy/config/route/v3/route';
import { compareText } from '../model/hostname.ts';
import type { GeneratorContext } from './context.ts';
import { planGateway } from './gateway-plan.ts';
import { gatewayRoutes } from './gateway-routes.ts';
import { generated, type GeneratedRoutes } from './resource.ts';
import { routeConfigurationDefaults, routedListeners, sidecarRoutes } from './sidecar-routes.ts';

/** The names that a proxy's listeners have, sorted: what a fresh proxy is going to ask for. */
export function routeNames(context: GeneratorContext): readonly string[] {
  const names =
    context.proxy.type === 'router'
      ? planGateway(context).map((listener) => listener.routeName)
      : routedListeners(context).map((listener) => listener.routeName);
  return [...new Set(names)].sort(compareText);
}

export function buildRoutes(context: GeneratorContext, names: readonly string[]): readonly GeneratedRoutes[] {
  const build = context.proxy.type === 'router' ? gatewayRoutes : sidecarRoutes;
  return names.toSorted(compareText).map((name) => build(context, name) ?? emptyRoutes(name));
}

/** For names that no listener of the proxy has: every request gets 404. */
export const emptyRoutes = (name: string): GeneratedRoutes =>
  generated(create(RouteConfigurationSchema, { ...routeConfigurationDefaults(), name }), []);
