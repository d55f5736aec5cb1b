/** Isolated form: a workload has a network namespace of its own, where it listens and calls as if it were alone. */
import type { GatewayBind } from '@weft/contracts';
import { keyOf, type Placer } from '../placement.ts';
import type { PodPlan } from '../mesh-link.ts';
import {
  createPodNumbers,
  createServiceAddresses,
  HUB_ADDRESS,
  podAddress,
  POD_PREFIX_LENGTH,
} from './address-plan.ts';

/** Inside the pod, where its sidecar and whoever enters it can read it. */
export const POD_ADMIN_ADDRESS = '127.0.0.1:15000';

export type PodSurroundings = Pick<PodPlan, 'tool' | 'dnsSocket' | 'etcDir' | 'user'>;

export function createPodPlacer(surroundings: PodSurroundings, gatewayBinds: readonly GatewayBind[]): Placer {
  const numbers = createPodNumbers();
  const numberOf = new Map<string, number>();
  return {
    place(spec) {
      const index = numbers.take();
      numberOf.set(keyOf(spec), index);
      const address = podAddress(index);
      const gateway = spec.kind === 'gateway';
      return Promise.resolve({
        address,
        adminAddress: POD_ADMIN_ADDRESS,
        // Peers call the application's own port; the redirect brings them to the sidecar.
        ports: spec.ports.map((port) => ({ ...port, meshPort: port.servicePort })),
        interception: gateway ? { mode: 'gateway', binds: gatewayBinds } : { mode: 'redirect' },
        outbound: [],
        gatewayBinds: gateway ? gatewayBinds : [],
        pod: {
          index,
          address,
          prefixLength: POD_PREFIX_LENGTH,
          hubAddress: HUB_ADDRESS,
          redirect: !gateway,
          ...surroundings,
        },
      });
    },
    extend: () => Promise.resolve(undefined),
    leave(key) {
      const index = numberOf.get(keyOf(key));
      if (index === undefined) return;
      numberOf.delete(keyOf(key));
      numbers.release(index);
    },
    serviceAddress: createServiceAddresses(),
  };
}
