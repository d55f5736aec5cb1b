import type { Problem } from '@weft/config';
import type { RegisteredWorkload, RegistryState } from '@weft/contracts';
import type { ConfigObject } from '@weft/contracts/config';
import { buildMeshConfig, type MeshConfig } from '../config-store/mesh-config.ts';
import { readDenials, type Denial } from '../mixer/denials.ts';
import { buildModel, serviceKey } from '../model/build-model.ts';
import type { Endpoint, Service } from '../model/service.ts';
import type { MeshOptions } from '../options.ts';
import { diagnose, diagnoseInterception } from './diagnose.ts';
import { diagnoseProxies } from './proxy-settings.ts';
import { withSettings } from './mesh-settings.ts';

/** One consistent view of the mesh. Frozen when built; every generator of a push reads the same one. */
export interface MeshSnapshot {
  /** +1 per build, from 1 at process start. */
  readonly version: number;
  readonly mesh: MeshOptions;
  readonly config: MeshConfig;
  /** Sorted by host name, then namespace. */
  readonly services: readonly Service[];
  readonly workloads: ReadonlyMap<string, RegisteredWorkload>;
  readonly endpoints: ReadonlyMap<string, readonly Endpoint[]>;
  /** What rules of Mixer deny, as far as sidecars can tell. */
  readonly denials: readonly Denial[];
  readonly diagnostics: readonly Problem[];
}

export interface SnapshotInput {
  readonly version: number;
  readonly objects: readonly ConfigObject[];
  readonly registry: RegistryState;
  /** As the control plane was started; a MeshConfig object overrides. */
  readonly mesh: MeshOptions;
}

/** Pure: equal input, in any order, gives an equal snapshot. */
export function buildSnapshot({ version, objects, registry, mesh: started }: SnapshotInput): MeshSnapshot {
  const config = buildMeshConfig(objects);
  const mesh = withSettings(started, config.settings[0]?.spec);
  const model = buildModel(config, registry, mesh);
  const { denials, problems } = readDenials(config);
  const diagnostics = [
    ...problems,
    ...diagnose(config),
    ...diagnoseProxies(config, mesh.mostProxyThreads),
    ...diagnoseInterception(config, model.workloads.values()),
  ];
  return Object.freeze({ version, mesh, config, ...model, denials, diagnostics });
}

export const endpointsOf = (snapshot: MeshSnapshot, service: Service): readonly Endpoint[] =>
  snapshot.endpoints.get(serviceKey(service)) ?? [];
