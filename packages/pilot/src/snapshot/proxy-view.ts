import type { Interception, RegisteredWorkload } from '@weft/contracts';
import type { Labels } from '../model/labels.ts';

/** Who asks: all that generators may know of a proxy beside the snapshot. */
export interface ProxyView {
  readonly id: string;
  readonly type: 'sidecar' | 'router';
  readonly name: string;
  readonly namespace: string;
  readonly address: string;
  readonly serviceAccount: string;
  readonly labels: Labels;
  readonly interception: Interception;
  /** Undefined when no registry knows the workload: it gets clusters but no listeners of its own. */
  readonly workload: RegisteredWorkload | undefined;
}

/** The registry's word rules over what the node says of itself. */
export function buildProxyView(
  { redirected = false, ...node }: Omit<ProxyView, 'workload' | 'interception'> & { readonly redirected?: boolean },
  workload: RegisteredWorkload | undefined,
): ProxyView {
  if (!workload) {
    const interception: Interception =
      node.type === 'router'
        ? { mode: 'gateway', binds: [] }
        : redirected
          ? { mode: 'redirect' }
          : { mode: 'loopback', outbound: [] };
    return { ...node, interception, workload: undefined };
  }
  return {
    ...node,
    labels: workload.labels,
    address: workload.address,
    interception: workload.interception,
    workload,
  };
}
