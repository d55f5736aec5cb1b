import type { Config } from '../config-store/config-object.ts';
import type { TelemetrySpec } from '../config-store/kinds.ts';
import { matchesLabels, type Labels } from '../model/labels.ts';
import { expressionFault } from './expression-fault.ts';
import type { MeshSnapshot } from './mesh-snapshot.ts';

export interface AccessLogging {
  readonly enabled: boolean;
  /** CEL; empty logs everything. */
  readonly expression: string;
}

/**
 * What Telemetry says of a workload's log for its calls (CLIENT) or what it serves (SERVER): the narrowest scope that says
 * something replaces the others. @returns undefined where none does.
 */
export function accessLogging(
  { mesh, config }: MeshSnapshot,
  workload: { readonly namespace: string; readonly labels: Labels },
  mode: 'CLIENT' | 'SERVER',
): AccessLogging | undefined {
  const hasSelector = ({ spec }: Config<TelemetrySpec>): boolean =>
    Object.keys(spec.selector?.matchLabels ?? {}).length > 0;
  const inNamespace = (namespace: string) =>
    config.telemetries.filter((one) => one.namespace === namespace && !hasSelector(one));
  const forWorkload = config.telemetries.filter(
    (one) =>
      one.namespace === workload.namespace &&
      hasSelector(one) &&
      matchesLabels(one.spec.selector?.matchLabels, workload.labels),
  );
  for (const [telemetry] of [forWorkload, inNamespace(workload.namespace), inNamespace(mesh.rootNamespace)]) {
    const entry = (telemetry?.spec.accessLogging ?? []).findLast(({ match }) =>
      [undefined, 'CLIENT_AND_SERVER', mode].includes(match?.mode),
    );
    if (!entry) continue;
    const expression = entry.filter?.expression ?? '';
    // One that can not be read filters nothing; `diagnose` names it. A proxy would refuse its whole listener.
    return {
      enabled: entry.disabled !== true,
      expression: expressionFault(expression) === undefined ? expression : '',
    };
  }
  return undefined;
}
