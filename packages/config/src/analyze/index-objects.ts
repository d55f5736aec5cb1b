import type { ConfigObject, KindName } from '@weft/contracts/config';
import { overlaps, qualifiedHost } from '../validate/hosts.ts';
import { matchesLabels, type World, type WorldService } from './world.ts';

/** The objects and the world, as the checks look things up. */
export interface Surroundings {
  readonly world: World;
  of<Kind extends KindName>(kind: Kind): readonly ConfigObject<Kind>[];
  /** The service of a host as an object of this namespace writes it; undefined when none is known. */
  service(host: string, namespace: string): WorldService | undefined;
  /** Whether some known service is meant, also by a wildcard. */
  hostExists(host: string, namespace: string): boolean;
  fullName(host: string, namespace: string): string;
}

export function indexObjects(objects: readonly ConfigObject[], world: World): Surroundings {
  const of = <Kind extends KindName>(kind: Kind): readonly ConfigObject<Kind>[] =>
    objects.filter((object) => object.kind === kind) as readonly ConfigObject[] as readonly ConfigObject<Kind>[];
  const fullName = (host: string, namespace: string): string => qualifiedHost(host, namespace, world.domain);
  const services = new Map<string, WorldService>();
  const add = (service: WorldService): void => {
    const former = services.get(service.hostname);
    services.set(
      service.hostname,
      former === undefined
        ? service
        : {
            hostname: service.hostname,
            ports: [...former.ports, ...service.ports],
            workloads: [...former.workloads, ...service.workloads],
          },
    );
  };
  for (const service of world.services) add({ ...service, hostname: service.hostname.toLowerCase() });
  for (const { metadata, spec } of of('Service')) {
    add({
      hostname: fullName(metadata.name, metadata.namespace),
      ports: (spec.ports ?? []).map(({ port, name }) => ({ number: port, ...(name === undefined ? {} : { name }) })),
      workloads:
        Object.keys(spec.selector ?? {}).length === 0
          ? []
          : world.workloads
              .filter(
                ({ namespace, labels }) => namespace === metadata.namespace && matchesLabels(spec.selector, labels),
              )
              .map(({ labels }) => labels),
    });
  }
  for (const { metadata, spec } of of('ServiceEntry')) {
    const selected = of('WorkloadEntry').filter(
      (entry) =>
        spec.workloadSelector !== undefined &&
        entry.metadata.namespace === metadata.namespace &&
        matchesLabels(spec.workloadSelector.labels, entry.spec.labels ?? {}),
    );
    const workloads = [
      ...(spec.endpoints ?? []).map(({ labels = {} }) => labels),
      ...selected.map((entry) => entry.spec.labels ?? {}),
    ];
    for (const host of spec.hosts) {
      add({
        hostname: host.toLowerCase(),
        ports: (spec.ports ?? []).map(({ number, name }) => ({ number, name })),
        workloads,
      });
    }
  }
  return {
    world,
    of,
    fullName,
    service: (host, namespace) => services.get(fullName(host, namespace)),
    hostExists(host, namespace) {
      const name = fullName(host, namespace);
      return (
        services.has(name) ||
        [...services.keys()].some((known) => (known.startsWith('*') || name.startsWith('*')) && overlaps(known, name))
      );
    },
  };
}
