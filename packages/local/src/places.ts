/** Makes the place of each workload, as its admission says: the host, or a pod. */
import type { Logger } from '@weft/kit';
import type { HostSockets } from './isolated/hub.ts';
import { createNetworkNamespaces } from './isolated/network-namespaces.ts';
import { createPod } from './isolated/pod.ts';
import { loadLibc } from './libc.ts';
import { noNativeCalls } from './no-native-calls.ts';
import { listenSocketsOf } from './listen-socket.ts';
import type { PodPlan } from './mesh-link.ts';
import { hostPlace, type PlaceFactory } from './workload-place.ts';

export interface PlacesOptions {
  readonly podRules: (plan: PodPlan) => string;
  /** Of the shells that hold namespaces. */
  readonly env: Readonly<Record<string, string>>;
  readonly hostSockets?: HostSockets;
  readonly logger: Logger;
}

export function createPlaces(options: PlacesOptions): PlaceFactory {
  const { libc, problem } = loadLibc();
  const sockets = libc && listenSocketsOf(libc);
  if (!sockets)
    options.logger.warn(
      { reason: problem?.message },
      'listening sockets can not be handed to children here: a restarted proxy refuses connections for a moment',
    );
  const host = hostPlace(sockets);
  const ofHost = Object.values(options.hostSockets ?? {});
  return (spec, { pod }) => {
    if (!pod) return Promise.resolve(host);
    if (!libc || !sockets) throw noNativeCalls(problem ?? new Error('no reason given'), ' in this process');
    return createPod(pod, spec.namespace, {
      libc,
      sockets,
      namespaces: createNetworkNamespaces(libc),
      rules: options.podRules,
      hostSockets: (address, port) => ofHost.find((item) => item.address === address && item.port === port),
      env: options.env,
    });
  };
}
