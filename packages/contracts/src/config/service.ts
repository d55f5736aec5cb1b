import { Type, type Static } from 'typebox';
import { bool, choice, int32, list, map, message, META, opt, text, anyObject } from './meta.ts';

const IGNORED = { effect: 'ignored' } as const;

export const ServiceSpec = message({
  ports: opt(
    list(
      message({
        name: opt(text({ maxLength: 63 })),
        port: int32({ format: 'port-number', min: 1, max: 65_535 }),
        /** A number, or the name of a container port. */
        targetPort: opt(Type.Union([int32(), text()], { [META]: {} })),
        protocol: opt(choice(['TCP', 'UDP', 'SCTP'], { default: 'TCP' })),
        appProtocol: opt(text()),
        nodePort: opt(int32(IGNORED)),
      }),
    ),
  ),
  selector: opt(map(text())),
  type: opt(choice(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'], { default: 'ClusterIP' })),
  clusterIP: opt(text()),
  clusterIPs: opt(list(text())),
  externalName: opt(text()),
  trafficDistribution: opt(text({ test: 'LB-03' })),
  publishNotReadyAddresses: opt(bool(IGNORED)),
  externalIPs: opt(list(text(), IGNORED)),
  loadBalancerIP: opt(text(IGNORED)),
  loadBalancerClass: opt(text(IGNORED)),
  loadBalancerSourceRanges: opt(list(text(), IGNORED)),
  allocateLoadBalancerNodePorts: opt(bool(IGNORED)),
  externalTrafficPolicy: opt(text(IGNORED)),
  internalTrafficPolicy: opt(text(IGNORED)),
  healthCheckNodePort: opt(int32(IGNORED)),
  sessionAffinity: opt(text(IGNORED)),
  sessionAffinityConfig: opt(anyObject(IGNORED)),
  ipFamilies: opt(list(text(), IGNORED)),
  ipFamilyPolicy: opt(text(IGNORED)),
});

/** What clients call: a name, its ports and the labels of the workloads behind it (Kubernetes core/v1). */
export type ServiceSpec = Static<typeof ServiceSpec>;
export type ServicePort = NonNullable<ServiceSpec['ports']>[number];

export const NamespaceSpec = message({ finalizers: opt(list(text(), IGNORED)) });

/** A namespace; the mesh reads its labels. */
export type NamespaceSpec = Static<typeof NamespaceSpec>;
