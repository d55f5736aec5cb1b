/** The names by which a service can be addressed, as domains of virtual hosts. */
import type { Service } from '../model/service.ts';
import type { GeneratorContext } from './context.ts';

/** All of Istio's host forms, the full name first: FQDN, with trailing dot, short (in its own namespace), `svc.ns.svc`, `svc.ns`, addresses. */
export function serviceDomains(
  { snapshot, proxy }: Pick<GeneratorContext, 'snapshot' | 'proxy'>,
  service: Service,
): readonly string[] {
  const suffix = `.${service.namespace}.svc.${snapshot.mesh.domainSuffix}`;
  const addresses = service.addresses
    .filter((address) => !address.includes('/'))
    .map((address) => (address.includes(':') ? `[${address}]` : address));
  if (!service.hostname.endsWith(suffix)) {
    return service.hostname.startsWith('*')
      ? [service.hostname, ...addresses]
      : [service.hostname, `${service.hostname}.`, ...addresses];
  }
  const short = service.hostname.slice(0, -suffix.length);
  return [
    service.hostname,
    `${service.hostname}.`,
    ...(service.namespace === proxy.namespace ? [short] : []),
    `${short}.${service.namespace}.svc`,
    `${short}.${service.namespace}`,
    ...addresses,
  ];
}

/** With a port: for listeners that serve all ports, where the port in Host chooses. Port 80 is what a Host without one means. */
export function domainsWithPort(domains: readonly string[], port: number): readonly string[] {
  return domains.flatMap((domain) => (port === 80 ? [domain, `${domain}:${port}`] : [`${domain}:${port}`]));
}

/** Hands out each domain once in a route configuration: the first that asks gets it, but nobody gets another service's full name. */
export interface DomainClaims {
  claim(domains: readonly string[], own: string): string[];
}

export function createDomainClaims(fullNames: Iterable<string>): DomainClaims {
  const reserved = new Set(fullNames);
  const taken = new Set<string>();
  return {
    claim(domains, own) {
      return domains.filter((domain) => {
        const key = domain.toLowerCase();
        if (taken.has(key) || (reserved.has(key) && key !== own)) return false;
        taken.add(key);
        return true;
      });
    },
  };
}
