/** Where a workload of a mesh is: the port behind which the forms of interception differ. */
import type { GatewayBind, Interception, OutboundBind, RegisteredWorkload, WorkloadPort } from '@weft/contracts';
import type { PodPlan, WorkloadSpec } from './mesh-link.ts';
import type { LocalRegistry } from './registry.ts';

export interface Placement {
  readonly address: string;
  readonly adminAddress: string;
  readonly ports: readonly WorkloadPort[];
  readonly interception: Interception;
  readonly outbound: readonly OutboundBind[];
  readonly httpProxy?: { readonly bind: string; readonly port: number };
  readonly gatewayBinds: readonly GatewayBind[];
  /** Isolated form only: the network namespace that its runner makes for it. */
  readonly pod?: PodPlan;
}

export type WorkloadKey = Pick<RegisteredWorkload, 'name' | 'namespace'>;

export interface Placer {
  /** Takes addresses and ports. Called when the workload's own service is declared. @throws {WeftError} WEFT_MESH_FULL, WEFT_PORT_TAKEN. */
  place(spec: WorkloadSpec, registry: LocalRegistry): Promise<Placement>;
  /** A service that appeared. @returns what changes for a workload already here, if anything does. */
  extend(workload: RegisteredWorkload, registry: LocalRegistry): Promise<Interception | undefined>;
  /** Gives addresses and ports back. @param workload absent when it was placed but never registered. */
  leave(key: WorkloadKey, workload: RegisteredWorkload | undefined): void;
  /** The virtual IP of a service; undefined where there are none. */
  serviceAddress(hostname: string): string | undefined;
}

export const keyOf = ({ name, namespace }: WorkloadKey): string => `${namespace}/${name}`;
