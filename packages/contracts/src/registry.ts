/**
 * What the supervisor knows of the workloads on this machine. It is the source of truth: the control plane reads it as a
 * stream of full states (one JSON object per line) and may die and come back at any time.
 */
export interface RegistryState {
  /** Rises by one with each change; starts anew with each supervisor. */
  readonly version: number;
  readonly meshId: string;
  readonly trustDomain: string;
  /** Every service that has had a workload since the supervisor started; one without workloads still exists (503 UH, not NC). */
  readonly services: readonly RegisteredService[];
  readonly workloads: readonly RegisteredWorkload[];
}

export interface RegisteredService {
  readonly name: string;
  readonly namespace: string;
  /** `reviews.default.svc.cluster.local`. */
  readonly hostname: string;
  /** Istio's port name tells the protocol. */
  readonly ports: readonly { readonly name: string; readonly port: number }[];
  /** Virtual IP that names resolve to in the isolated form; absent in the loopback form. */
  readonly vip?: string;
}

export interface RegisteredWorkload {
  /** Unique in the mesh, also the proxy's name in its node id: `reviews-v1`, `reviews-v1-2`. */
  readonly name: string;
  readonly namespace: string;
  readonly kind: 'sidecar' | 'gateway';
  readonly serviceAccount: string;
  /** `app` and `version` always; users' own beside them. */
  readonly labels: Readonly<Record<string, string>>;
  /** The service this workload is an instance of; absent for pure clients and gateways. */
  readonly service?: string;
  /** Address of its sidecar: 127.A.n.1 in the loopback form, the address of its namespace (10.244.x.y) in the isolated one. */
  readonly address: string;
  readonly ports: readonly WorkloadPort[];
  readonly interception: Interception;
  /** `starting` and `unhealthy` workloads get no traffic; `draining` ones no new traffic. */
  readonly health: 'starting' | 'healthy' | 'unhealthy' | 'draining';
  /** `127.66.3.1:15000`. */
  readonly adminAddress: string;
  /** Its sidecar is not ours but a program that the user starts, such as Envoy. */
  readonly ownSidecar?: boolean;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  /** Public facts of the certificate that its agent holds now. */
  readonly certificate?: WorkloadCertificate;
  /** Process ids on this machine. `pod` holds the namespaces of the isolated form: who enters those of it is where the workload is. */
  readonly processes?: { readonly proxy?: number; readonly app?: number; readonly pod?: number };
}

export interface WorkloadCertificate {
  readonly spiffeId: string;
  readonly serial: string;
  readonly issuer: string;
  /** SHA-256, hexadecimal. */
  readonly fingerprint: string;
  /** Epoch milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface WorkloadPort {
  /** Istio's port name: its prefix tells the protocol (`http`, `http-api`, `tcp-db`, `grpc`). */
  readonly name: string;
  /** What clients call: the service port. */
  readonly servicePort: number;
  /** Where the sidecar listens for peers, on the workload's address. */
  readonly meshPort: number;
  /** Where the application listens. */
  readonly appAddress: string;
  readonly appPort: number;
}

/** How the workload's own calls reach its sidecar. */
export type Interception =
  | {
      /** Outbound listeners per service, each at an address (or port) of its own. */
      readonly mode: 'loopback';
      readonly outbound: readonly OutboundBind[];
      /** HTTP proxy for `HTTP_PROXY`-aware programs. */
      readonly httpProxy?: { readonly bind: string; readonly port: number };
    }
  | {
      /** Redirect rules in a network namespace of its own (15001/15006). */
      readonly mode: 'redirect';
    }
  | {
      /** A gateway: its listeners come from Gateway resources. `binds` maps a Gateway's port number to a host address. */
      readonly mode: 'gateway';
      readonly binds: readonly GatewayBind[];
    };

export interface OutboundBind {
  /** `reviews.default.svc.cluster.local`. */
  readonly hostname: string;
  readonly servicePort: number;
  readonly bind: string;
  readonly port: number;
}

export interface GatewayBind {
  /** `servers[].port.number` of a Gateway. */
  readonly gatewayPort: number;
  readonly bind: string;
  readonly port: number;
}
