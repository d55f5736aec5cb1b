import type { HttpMatch, L4Match } from '../config-store/kinds.ts';
import { matchesLabels } from '../model/labels.ts';
import type { ProxyView } from '../snapshot/proxy-view.ts';

/** Where a virtual service is being applied: the gateway `mesh` for sidecars, `namespace/name` for gateways. */
export interface RouteSite {
  readonly proxy: ProxyView;
  /** The port being accessed. */
  readonly port: number;
  /** Resolved names; `mesh` for sidecars. */
  readonly gateways: ReadonlySet<string>;
  /** Namespace of the virtual service: short gateway names are of it. */
  readonly namespace: string;
}

/** The conditions that hold or fail for a whole proxy and port. The others go into the route. */
export function holdsStatically(match: HttpMatch | L4Match, site: RouteSite): boolean {
  if (match.port !== undefined && match.port !== 0 && match.port !== site.port) return false;
  const gateways = match.gateways ?? [];
  if (gateways.length > 0) return gateways.some((gateway) => site.gateways.has(gatewayKey(gateway, site.namespace)));
  if (site.proxy.type !== 'sidecar') return true;
  if (
    match.sourceNamespace !== undefined &&
    match.sourceNamespace !== '' &&
    match.sourceNamespace !== site.proxy.namespace
  )
    return false;
  return matchesLabels(match.sourceLabels, site.proxy.labels);
}

/** `mesh`, or `namespace/name` of `name`, `./name`, `namespace/name`. */
export function gatewayKey(gateway: string, namespace: string): string {
  if (gateway === 'mesh') return gateway;
  const slash = gateway.indexOf('/');
  if (slash < 0) return `${namespace}/${gateway}`;
  return gateway.startsWith('./') ? `${namespace}/${gateway.slice(2)}` : gateway;
}
