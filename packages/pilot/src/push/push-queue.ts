import { mergeAffected, type Affected } from './affected.ts';

/** At most one pending push for each proxy: what comes while it waits is merged into it. Proxies are served first come, first served. */
export interface PushQueue<Proxy> {
  add(proxy: Proxy, affected: Affected): void;
  remove(proxy: Proxy): void;
  has(proxy: Proxy): boolean;
  readonly size: number;
  close(): void;
}

export interface PushQueueDeps<Proxy> {
  readonly push: (proxy: Proxy, affected: Affected) => void;
  /** Runs later, after what else is waiting to run: building for many proxies must not hold up their requests. */
  readonly later: (run: () => void) => void;
  /** Proxies served before others get their turn. */
  readonly batch?: number;
}

export function createPushQueue<Proxy>({ push, later, batch = 8 }: PushQueueDeps<Proxy>): PushQueue<Proxy> {
  const pending = new Map<Proxy, Affected>();
  let scheduled = false;
  const serve = (): void => {
    scheduled = false;
    for (const [proxy, affected] of [...pending].slice(0, batch)) {
      pending.delete(proxy);
      push(proxy, affected);
    }
    schedule();
  };
  const schedule = (): void => {
    if (scheduled || pending.size === 0) return;
    scheduled = true;
    later(serve);
  };
  return {
    add(proxy, affected) {
      const waiting = pending.get(proxy);
      pending.set(proxy, waiting ? mergeAffected(waiting, affected) : affected);
      schedule();
    },
    remove: (proxy) => void pending.delete(proxy),
    has: (proxy) => pending.has(proxy),
    get size() {
      return pending.size;
    },
    close: () => pending.clear(),
  };
}
