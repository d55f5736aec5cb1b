import { nodeId } from '@weft/contracts';
import type { Admission, WorkloadSpec } from './mesh-link.ts';

/** Who a proxy says it is to the control plane. */
export interface ProxyNode {
  readonly id: string;
  /** The control plane compares namespace and account with the certificate. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

export function proxyNode(spec: WorkloadSpec, admission: Pick<Admission, 'address' | 'meshId' | 'pod'>): ProxyNode {
  const type = spec.kind === 'gateway' ? 'router' : 'sidecar';
  return {
    id: nodeId({ type, ip: admission.address, name: spec.name, namespace: spec.namespace }),
    metadata: {
      NAMESPACE: spec.namespace,
      LABELS: spec.labels,
      SERVICE_ACCOUNT: spec.serviceAccount,
      WORKLOAD_NAME: spec.name,
      CLUSTER_ID: 'Kubernetes',
      MESH_ID: admission.meshId,
      INTERCEPTION_MODE: admission.pod?.redirect ? 'REDIRECT' : 'NONE',
    },
  };
}
