/** Where a sidecar listens for its workload's own calls. Listeners and route configurations are both made from this one plan. */
import { compareText } from '../model/hostname.ts';
import { isHttp, parseProtocol, type Protocol } from '../model/protocol.ts';
import type { Service, ServicePort } from '../model/service.ts';
import { egressServices } from '../snapshot/scope.ts';
import type { GeneratorContext } from './context.ts';

export interface OutboundTarget {
  readonly service: Service;
  readonly port: ServicePort;
}

export type OutboundListener = OutboundHttpListener | OutboundTcpListener;

interface OutboundBase {
  readonly bind: string;
  readonly port: number;
  /** Service port that callers mean by this listener. */
  readonly servicePort: number;
}

export interface OutboundHttpListener extends OutboundBase {
  readonly kind: 'http' | 'http-or-tcp';
  readonly routeName: string;
  readonly targets: readonly OutboundTarget[];
  /** `service`: the address is one service's own, so any Host means it. `shared`: Host chooses. `proxy`: absolute-form, all ports. */
  readonly hosts: 'service' | 'shared' | 'proxy';
  /** Of a Sidecar's egress entry: what this listener alone may name. */
  readonly egressHosts?: readonly string[];
}

export interface OutboundTcpListener extends OutboundBase {
  readonly kind: 'tcp';
  /** Undefined: the service is not imported, so that its bytes are refused. */
  readonly target: OutboundTarget | undefined;
}

export const HTTP_PROXY_ROUTE = 'http_proxy';

/**
 * The listeners that programs dial, sorted by address and port; one per address and port, the first in order of: service
 * binds, Sidecar listeners, HTTP proxy. Where calls are redirected, what is captured has a plan of its own.
 */
export function planOutbound(context: GeneratorContext): readonly OutboundListener[] {
  if (context.proxy.type !== 'sidecar') return [];
  const byAddress = new Map<string, OutboundListener>();
  for (const listener of [...serviceBinds(context), ...egressListeners(context), ...httpProxy(context)]) {
    const key = `${listener.bind}_${listener.port}`;
    if (!byAddress.has(key)) byAddress.set(key, listener);
  }
  return [...byAddress.entries()].toSorted(([a], [b]) => compareText(a, b)).map(([, listener]) => listener);
}

/** The local registry gives each (client, service, port) an address of its own. */
function serviceBinds({ proxy, scope, snapshot }: GeneratorContext): readonly OutboundListener[] {
  if (proxy.interception.mode !== 'loopback') return [];
  return proxy.interception.outbound.map(({ hostname, servicePort, bind, port }): OutboundListener => {
    const lower = hostname.toLowerCase();
    const service = scope.services.find((candidate) => candidate.hostname === lower);
    const found = service?.ports.find((candidate) => candidate.number === servicePort);
    const target = service && found ? { service, port: found } : undefined;
    // A bind outlives its service's last workload and its import: it goes on answering, with a refusal.
    const known = snapshot.services
      .find((candidate) => candidate.hostname === lower)
      ?.ports.find((candidate) => candidate.number === servicePort);
    const protocol: Protocol = found?.protocol ?? known?.protocol ?? 'http';
    const base = { bind, port, servicePort };
    if (!isHttp(protocol) && protocol !== 'auto') return { ...base, kind: 'tcp', target };
    return {
      ...base,
      kind: protocol === 'auto' ? 'http-or-tcp' : 'http',
      routeName: `${bind}:${port}`,
      targets: target ? [target] : [],
      hosts: 'service',
    };
  });
}

/** `egress` entries with a port of their own that nothing redirects to. They are dialled at their `bind`, or at 127.0.0.1. */
function egressListeners({ proxy, scope }: GeneratorContext): readonly OutboundListener[] {
  const redirected = proxy.interception.mode === 'redirect';
  return (scope.sidecar?.spec.egress ?? []).flatMap((egress): readonly OutboundListener[] => {
    if (!egress.port?.number || (redirected && egress.captureMode !== 'NONE')) return [];
    const { number } = egress.port;
    const bind = egress.bind ?? '127.0.0.1';
    const targets = egressServices(scope, egress, proxy.namespace).flatMap((service) =>
      service.ports.filter((port) => port.number === number).map((port) => ({ service, port })),
    );
    const protocol =
      parseProtocol(egress.port.protocol ?? egress.port.name ?? '') ?? targets[0]?.port.protocol ?? 'auto';
    const base = { bind, port: number, servicePort: number };
    if (!isHttp(protocol) && protocol !== 'auto') return [{ ...base, kind: 'tcp', target: targets[0] }];
    const own = egress.bind !== undefined;
    return [
      {
        ...base,
        kind: 'http',
        routeName: own ? `${bind}:${number}` : String(number),
        targets,
        hosts: 'shared',
        egressHosts: egress.hosts,
      },
    ];
  });
}

function httpProxy({ proxy, scope }: GeneratorContext): readonly OutboundListener[] {
  if (proxy.interception.mode !== 'loopback' || !proxy.interception.httpProxy) return [];
  const { bind, port } = proxy.interception.httpProxy;
  const targets = scope.services.flatMap((service) =>
    service.ports
      .filter((candidate) => isHttp(candidate.protocol) || candidate.protocol === 'auto')
      .map((found) => ({ service, port: found })),
  );
  return [{ bind, port, servicePort: 0, kind: 'http', routeName: HTTP_PROXY_ROUTE, targets, hosts: 'proxy' }];
}
