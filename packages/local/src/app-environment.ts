/** What a program in the mesh finds in its environment and command line. Pure. */
import type { OutboundBind, RegisteredService } from '@weft/contracts';
import type { Admission } from './mesh-link.ts';

export interface AppPlace {
  readonly host: string;
  readonly port: number;
  readonly outbound: readonly OutboundBind[];
  readonly namespace: string;
  readonly httpProxy?: { readonly bind: string; readonly port: number };
}

/** `HOST`, `PORT`, `<SVC>_SERVICE_HOST/_PORT` as Kubernetes names them, `HTTP_PROXY` for programs that obey it. */
export function appEnvironment(place: AppPlace): Record<string, string> {
  const env: Record<string, string> = { HOST: place.host, PORT: String(place.port) };
  if (place.httpProxy) {
    const proxy = `http://${place.httpProxy.bind}:${place.httpProxy.port}`;
    Object.assign(env, {
      HTTP_PROXY: proxy,
      http_proxy: proxy,
      NO_PROXY: 'localhost,127.0.0.0/8',
      no_proxy: 'localhost,127.0.0.0/8',
    });
  }
  for (const { hostname, bind, port } of place.outbound) {
    const [service = '', namespace] = hostname.split('.');
    if (namespace !== place.namespace) continue;
    const name = service.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_');
    // The first port of a service is the one that the plain names stand for.
    env[`${name}_SERVICE_HOST`] ??= bind;
    env[`${name}_SERVICE_PORT`] ??= String(port);
  }
  return env;
}

/** Where it calls services: at listeners of its own in the loopback form, at their virtual IPs in a namespace of its own. */
export function callablesOf(admission: Admission): Pick<AppPlace, 'outbound' | 'httpProxy'> {
  const { httpProxy, outbound, pod, services } = admission;
  if (!pod) return { outbound, ...(httpProxy ? { httpProxy } : {}) };
  return { outbound: callableServices(services) };
}

export const callableServices = (services: readonly RegisteredService[]): readonly OutboundBind[] =>
  services.flatMap(({ hostname, ports, vip }) =>
    vip === undefined ? [] : ports.map(({ port }) => ({ hostname, servicePort: port, bind: vip, port })),
  );

/** Fills `{host}` and `{port}` in a command line. */
export function fillArguments(argv: readonly [string, ...string[]], host: string, port: number): [string, ...string[]] {
  const fill = (text: string): string => text.replaceAll('{host}', host).replaceAll('{port}', String(port));
  const [command, ...rest] = argv;
  return [fill(command), ...rest.map(fill)];
}
