/** Since when each type of each proxy is in its state, for sources that do not say. */
import type { Clock } from '@weft/kit';
import type { ProxySource } from '../ports.ts';

export function withAges(source: ProxySource, clock: Clock): ProxySource {
  let known = new Map<string, { readonly state: string; readonly sinceMs: number }>();
  return {
    subscribe: source.subscribe,
    list() {
      const next: typeof known = new Map();
      const proxies = source.list().map((proxy) => ({
        ...proxy,
        sync: proxy.sync.map((sync) => {
          const key = `${proxy.id} ${sync.type}`;
          const former = known.get(key);
          const sinceMs = sync.sinceMs ?? (former?.state === sync.state ? former.sinceMs : clock.now());
          next.set(key, { state: sync.state, sinceMs });
          return { ...sync, sinceMs };
        }),
      }));
      // Proxies that are gone are forgotten.
      known = next;
      return proxies;
    },
  };
}
