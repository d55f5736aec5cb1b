/** What a gateway serves: the servers of all Gateway objects that select it, joined by address and port. */
import type { Config } from '../config-store/config-object.ts';
import type { GatewayServer, GatewaySpec } from '../config-store/kinds.ts';
import { compareText } from '../model/hostname.ts';
import { matchesLabels } from '../model/labels.ts';
import { isServable } from '../snapshot/diagnose.ts';
import type { GeneratorContext } from './context.ts';

export interface GatewayListener {
  /** `servers[].port.number`. */
  readonly gatewayPort: number;
  readonly bind: string;
  readonly port: number;
  readonly routeName: string;
  readonly servers: readonly BoundServer[];
}

export interface BoundServer {
  readonly gateway: Config<GatewaySpec>;
  readonly server: GatewayServer;
  readonly hosts: readonly ServerHost[];
}

/** `namespace/dnsName` of a server's hosts: which virtual services may use it. */
export interface ServerHost {
  readonly namespace: string;
  readonly dnsName: string;
}

export function planGateway({ snapshot, proxy }: GeneratorContext): readonly GatewayListener[] {
  const listeners = new Map<string, GatewayListener & { readonly servers: BoundServer[] }>();
  for (const gateway of snapshot.config.gateways) {
    if (!matchesLabels(gateway.spec.selector, proxy.labels)) continue;
    for (const server of gateway.spec.servers ?? []) {
      // TLS, HTTPS and TCP servers are refused with a diagnostic (diagnose.ts), never half served.
      if (!isServable(server)) continue;
      const mapped =
        proxy.interception.mode === 'gateway'
          ? proxy.interception.binds.find((bind) => bind.gatewayPort === server.port.number)
          : undefined;
      const bind = server.bind ?? mapped?.bind ?? '0.0.0.0';
      const port = mapped?.port ?? server.port.number;
      const key = `${bind}_${port}`;
      const bound: BoundServer = {
        gateway,
        server,
        hosts: server.hosts.map((host) => parseServerHost(host, gateway.namespace)),
      };
      const known = listeners.get(key);
      if (known) known.servers.push(bound);
      else {
        const routeName = `http.${server.port.number}${server.bind === undefined ? '' : `.${server.bind}`}`;
        listeners.set(key, { gatewayPort: server.port.number, bind, port, routeName, servers: [bound] });
      }
    }
  }
  return [...listeners.entries()].toSorted(([a], [b]) => compareText(a, b)).map(([, listener]) => listener);
}

function parseServerHost(host: string, own: string): ServerHost {
  const slash = host.indexOf('/');
  const namespace = slash < 0 ? '*' : host.slice(0, slash);
  return { namespace: namespace === '.' ? own : namespace, dnsName: host.slice(slash + 1).toLowerCase() };
}
