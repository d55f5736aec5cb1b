/** Every listener of a mesh on one machine: who binds it, where, and who may use it. `weft status` prints the actual ones. */
export interface PortRow {
  readonly name: string;
  /** The preferred port; another free one is taken where `fallback` says so. */
  readonly port: number;
  readonly bind: string;
  readonly owner: 'control-plane' | 'gateway' | 'proxy' | 'supervisor' | 'app';
  readonly fallback: 'free-port' | 'refuse';
  readonly authentication: string;
}

export const PORTS = {
  xds: {
    name: 'xds',
    port: 15012,
    bind: '127.0.0.1',
    owner: 'control-plane',
    fallback: 'free-port',
    authentication: 'mutual TLS, SPIFFE identity of this mesh',
  },
  ca: {
    name: 'ca',
    port: 15013,
    bind: '127.0.0.1',
    owner: 'control-plane',
    fallback: 'free-port',
    authentication: 'TLS; single-use bearer token',
  },
  monitoring: {
    name: 'monitoring',
    port: 15014,
    bind: '127.0.0.1',
    owner: 'control-plane',
    fallback: 'free-port',
    authentication: 'none for metrics and readiness; token for /debug; Host checked',
  },
  console: {
    name: 'console',
    port: 20001,
    bind: '127.0.0.1',
    owner: 'control-plane',
    fallback: 'refuse',
    authentication: 'reads: Host and Origin checked; writes: token or session',
  },
  gatewayHttp: {
    name: 'gateway-http',
    port: 8080,
    bind: '127.0.0.1',
    owner: 'gateway',
    fallback: 'refuse',
    authentication: 'none: it is the way in',
  },
  proxyAdmin: {
    name: 'proxy-admin',
    port: 15000,
    bind: '<workload address>',
    owner: 'proxy',
    fallback: 'free-port',
    authentication: 'read-only without the token; Host checked',
  },
  httpProxy: {
    name: 'http-proxy',
    port: 15080,
    bind: '<workload address>',
    owner: 'proxy',
    fallback: 'free-port',
    authentication: 'none: loopback, for the workload itself',
  },
  dns: {
    name: 'dns',
    port: 15053,
    bind: '127.0.0.1',
    owner: 'proxy',
    fallback: 'refuse',
    authentication: 'none: loopback of the network namespace of the workload',
  },
  inbound: {
    name: 'inbound',
    port: 0,
    bind: '<workload address>',
    owner: 'proxy',
    fallback: 'free-port',
    authentication: 'mutual TLS by PeerAuthentication; the port is the service port',
  },
  outbound: {
    name: 'outbound',
    port: 0,
    bind: '<address per service>',
    owner: 'proxy',
    fallback: 'free-port',
    authentication: 'none: loopback, for the workload itself',
  },
  capturedOutbound: {
    name: 'captured-outbound',
    port: 15001,
    bind: '0.0.0.0 in the pod',
    owner: 'proxy',
    fallback: 'refuse',
    authentication:
      "none: for connections that rules redirect there, and that can come from the pod's own programs only",
  },
  capturedInbound: {
    name: 'captured-inbound',
    port: 15006,
    bind: '0.0.0.0 in the pod',
    owner: 'proxy',
    fallback: 'refuse',
    authentication: 'mutual TLS by PeerAuthentication, as for the port that was called',
  },
  egress: {
    name: 'egress',
    port: 15099,
    bind: '0.0.0.0 in the hub',
    owner: 'supervisor',
    fallback: 'refuse',
    authentication:
      'none: takes only connections that rules redirect there; they leave as the user who started the mesh',
  },
  app: {
    name: 'app',
    port: 0,
    bind: '127.0.0.1',
    owner: 'app',
    fallback: 'free-port',
    authentication: "the application's own",
  },
} as const satisfies Record<string, PortRow>;

export type PortName = keyof typeof PORTS;
