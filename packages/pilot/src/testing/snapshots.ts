/** Snapshots and generator contexts for tests, from YAML and a registry. */
import { parseConfig, isError } from '@weft/config';
import type { RegistryState } from '@weft/contracts';
import type { ConfigObject } from '@weft/contracts/config';
import { generatorContext, type GeneratorContext } from '../generators/context.ts';
import { DEFAULT_MESH_OPTIONS, type MeshOptions } from '../options.ts';
import { workloadKey } from '../model/build-model.ts';
import { buildSnapshot, type MeshSnapshot } from '../snapshot/mesh-snapshot.ts';
import { buildProxyView } from '../snapshot/proxy-view.ts';
import { bookinfo } from './registry.ts';

/** @throws when the text has an error: a test's configuration is to be right. */
export function objectsOf(yaml: string, file = 'config.yaml'): readonly ConfigObject[] {
  const { objects, problems } = parseConfig(yaml, file);
  const errors = problems.filter(isError);
  if (errors.length > 0)
    throw new Error(errors.map((problem) => `${problem.line}: ${problem.path} ${problem.message}`).join('\n'));
  return objects.map(({ object }) => object);
}

export interface SnapshotParts {
  readonly yaml?: string;
  readonly objects?: readonly ConfigObject[];
  readonly registry?: RegistryState;
  readonly mesh?: Partial<MeshOptions>;
}

export function snapshotOf({ yaml = '', objects, registry = bookinfo(), mesh = {} }: SnapshotParts = {}): MeshSnapshot {
  return buildSnapshot({
    version: 1,
    objects: objects ?? objectsOf(yaml),
    registry,
    mesh: { ...DEFAULT_MESH_OPTIONS, ...mesh },
  });
}

/** @param workload `name` in namespace default, or `namespace/name`. */
export function contextOf(snapshot: MeshSnapshot, workload: string): GeneratorContext {
  const [namespace, name] = workload.includes('/') ? workload.split('/') : ['default', workload];
  const found = snapshot.workloads.get(workloadKey(namespace ?? '', name ?? ''));
  if (!found) throw new Error(`no workload ${workload} in the registry of this test`);
  const type = found.kind === 'gateway' ? 'router' : 'sidecar';
  const view = buildProxyView(
    {
      id: `${type}~${found.address}~${found.name}.${found.namespace}~${found.namespace}.svc.cluster.local`,
      type,
      name: found.name,
      namespace: found.namespace,
      address: found.address,
      serviceAccount: found.serviceAccount,
      labels: found.labels,
    },
    found,
  );
  return generatorContext(snapshot, view);
}
