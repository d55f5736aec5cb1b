/** What a workload's runner needs from the mesh it joins; in process for `weft demo`, over the Unix socket for `weft run`. */
import type {
  GatewayBind,
  OutboundBind,
  RegisteredService,
  RegisteredWorkload,
  WorkloadPort,
  WorkloadSecret,
} from '@weft/contracts';
import type { Restart } from './restarts.ts';

/** Who wants to join, as the registry will have it, and what it listens on. */
export interface WorkloadSpec extends Pick<
  RegisteredWorkload,
  'name' | 'namespace' | 'kind' | 'serviceAccount' | 'labels' | 'service' | 'ownSidecar'
> {
  readonly ports: readonly PortSpec[];
}

export interface PortSpec {
  readonly name: string;
  readonly servicePort: number;
  readonly appAddress: string;
  readonly appPort: number;
}

/** The same for all workloads of a mesh. */
export interface MeshEndpoints {
  readonly xdsAddress: string;
  readonly caAddress: string;
  readonly rootCaPem: string;
  readonly adminToken: string;
  /** Lifetime that agents ask for. */
  readonly certificateTtlMs: number;
}

/** Everything a runner must know to start proxy, agent and application. */
export interface Admission extends MeshEndpoints {
  /** Of its proxy, beside those that each needs. */
  readonly proxyFlags: readonly string[];
  readonly address: string;
  readonly adminAddress: string;
  readonly ports: readonly WorkloadPort[];
  readonly outbound: readonly OutboundBind[];
  readonly httpProxy?: { readonly bind: string; readonly port: number };
  readonly gatewayBinds: readonly GatewayBind[];
  /** Isolated form only. */
  readonly pod?: PodPlan;
  /** All that were known when it joined. */
  readonly services: readonly RegisteredService[];
  readonly trustDomain: string;
  readonly meshId: string;
  /** Where this proxy saves its last good configuration. */
  readonly saveDir: string;
  readonly logsDir: string;
}

/** Isolated form: the namespace that a workload's runner makes, and what its sidecar needs to know of the world around it. */
export interface PodPlan {
  /** Unique among the pods that run now; names its end of the wire. */
  readonly index: number;
  readonly address: string;
  readonly prefixLength: number;
  /** Where control plane and way out are. */
  readonly hubAddress: string;
  /** Whether calls are redirected to the sidecar; a gateway has none to redirect. */
  readonly redirect: boolean;
  readonly tool: 'iptables' | 'nft';
  /** Unix socket that forwards DNS questions to the host's nameservers. */
  readonly dnsSocket: string;
  /** Folder for the files that stand for some of /etc in the pods. */
  readonly etcDir: string;
  /** Who the application runs as, when the mesh's own processes are root of a user namespace. */
  readonly user?: { readonly uid: number; readonly gid: number };
}

export interface MeshLink {
  /** @throws {WeftError} when the mesh is full, a port is taken or the name is in use. */
  admit(spec: WorkloadSpec): Promise<Admission>;
  /** A fresh single-use token for the CA. */
  token(name: string, namespace: string): Promise<string>;
  report(name: string, namespace: string, change: WorkloadReport): void;
  leave(name: string, namespace: string): Promise<void>;
  /** How the mesh gets the workload another sidecar process. @returns what takes the offer back. */
  offerRestart(name: string, namespace: string, restart: Restart): () => void;
}

/** What a runner says of its workload as it changes. */
export type WorkloadReport = Partial<Pick<RegisteredWorkload, 'health' | 'certificate' | 'processes'>>;

/** The keeper of key and certificate; the app passes @weft/agent in. */
export interface WorkloadAgent {
  /** Called with the current secrets, if there are some, and on each rotation. */
  subscribe(onSecrets: (secrets: AgentSecrets) => void): () => void;
  close(): void;
}

export interface AgentSecrets {
  readonly default: WorkloadSecret;
  readonly rootCaPem: string;
}

export type AgentFactory = (request: {
  readonly spiffeId: string;
  readonly token: () => Promise<string>;
  readonly caAddress: string;
  readonly xdsAddress: string;
  readonly rootCaPem: string;
  readonly ttlMs: number;
}) => WorkloadAgent;
