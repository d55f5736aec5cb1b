import { compareSpecificity, covers, resolveHost } from '../model/hostname.ts';
import type { VirtualService } from '../snapshot/scope.ts';
import type { GeneratorContext } from './context.ts';

/** Sidecars do not merge: the virtual service whose host is the most specific cover of the name, the oldest of those, owns it. */
export function virtualServiceFor({ scope, snapshot }: GeneratorContext, hostname: string): VirtualService | undefined {
  let best: { readonly host: string; readonly virtualService: VirtualService } | undefined;
  for (const virtualService of scope.virtualServices) {
    for (const host of hostsOf(virtualService, snapshot.mesh.domainSuffix)) {
      if (!covers(host, hostname)) continue;
      if (best === undefined || compareSpecificity(host, best.host) < 0) best = { host, virtualService };
    }
  }
  return best?.virtualService;
}

export const hostsOf = (virtualService: VirtualService, domainSuffix: string): readonly string[] =>
  (virtualService.spec.hosts ?? []).map((host) => resolveHost(host, virtualService.namespace, domainSuffix));
