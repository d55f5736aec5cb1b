// All listeners of a proxy: what configuration adds, changes and takes away, and how they end.
import type { Clock, Logger } from '@weft/kit';
import type { WeighExchange } from '../http/connections.ts';
import type { DrainPlan, ListenerSocket, ListenerStatus, StatsSink } from '../ports.ts';
import type { CompiledListener } from '../runtime/listeners.ts';
import type { ListenerSockets } from './inherited-sockets.ts';
import type { LiveListener } from './live-listener.ts';

export interface ListenerSetDeps {
  readonly create: (compiled: CompiledListener) => LiveListener;
  readonly inherited: ListenerSockets;
  /** How long connections of what was removed or changed may go on. */
  readonly drainMs: number;
  /** Until `serve`, nothing listens: another process still does. */
  readonly held: boolean;
  readonly stats: StatsSink;
  readonly clock: Clock;
  readonly logger: Logger;
}

const ANY_ADDRESS = '0.0.0.0';
const DRAIN_POLL_MS = 50;
// A client that is not about to write has no use for a connection to a listener that is gone.
const KEEP_IDLE_MS = 5_000;

export class ListenerSet {
  readonly #deps: ListenerSetDeps;
  readonly #live = new Map<string, LiveListener>();
  readonly #leaving = new Set<LiveListener>();
  readonly #cut: number;
  #byAddress: ReadonlyMap<string, LiveListener> = new Map();
  #held: boolean;
  /** Nothing is accepted until there is room. */
  #shut = false;
  #draining = false;

  constructor(deps: ListenerSetDeps) {
    this.#deps = deps;
    this.#held = deps.held;
    this.#cut = deps.stats.counter('listener_manager.drain_cut_connections');
  }

  live(): Iterable<LiveListener> {
    return this.#live.values();
  }
  all(): LiveListener[] {
    return [...this.#live.values(), ...this.#leaving];
  }
  /** Who serves this address: the listener of exactly it, else that of the port on all addresses. */
  at(address: string, port: number): LiveListener | undefined {
    return this.#byAddress.get(`${address}:${port}`) ?? this.#byAddress.get(`${ANY_ADDRESS}:${port}`);
  }
  statuses(): ListenerStatus[] {
    return this.all().map((listener) => ({ name: listener.name, ...listener.state }));
  }
  connections(): number {
    return this.all().reduce((sum, listener) => sum + listener.connections, 0);
  }
  activeRequests(): number {
    return this.all().reduce((sum, listener) => sum + listener.activeRequests, 0);
  }
  weigh(take: WeighExchange): void {
    for (const listener of this.all()) listener.weigh(take);
  }
  sockets(): ListenerSocket[] {
    return [...this.#live.values()].flatMap((listener) => listener.socket ?? []);
  }

  apply(compiled: ReadonlyMap<string, CompiledListener>): void {
    if (this.#draining) {
      // No listener comes or goes any more, but requests on kept connections go where they should now.
      for (const listener of this.all()) listener.refreshRoutes();
      return;
    }
    for (const [name, listener] of this.#live) {
      const next = compiled.get(name);
      if (next !== undefined && sameAddress(next, listener.compiled)) continue;
      this.#live.delete(name);
      this.#retire(listener);
    }
    for (const [name, next] of compiled) this.#put(name, next);
    this.#byAddress = new Map(
      [...this.#live.values()].map((listener) => [`${listener.compiled.address}:${listener.compiled.port}`, listener]),
    );
    for (const listener of this.#leaving) {
      if (listener.connections === 0) this.#leaving.delete(listener);
      else listener.refreshRoutes();
    }
  }

  #put(name: string, next: CompiledListener): void {
    const listener = this.#live.get(name);
    if (listener === undefined) {
      const made = this.#deps.create(next);
      this.#live.set(name, made);
      if (!this.#held) this.#listen(made);
    } else if (listener.compiled === next) listener.refreshRoutes();
    else this.#drainChains(listener, listener.update(next));
  }

  #listen(listener: LiveListener): void {
    const { address, port } = listener.compiled;
    if (this.#shut) listener.hold('proxy');
    listener.listen(this.#deps.inherited.get(`${address}:${port}`));
  }

  /** All stop accepting for a while; what is open goes on. */
  hold(): void {
    this.#shut = true;
    for (const listener of this.#live.values()) listener.hold('proxy');
  }

  open(): void {
    this.#shut = false;
    for (const listener of this.#live.values()) listener.open('proxy');
  }

  /** From now on connections are taken. */
  serve(): void {
    if (!this.#held) return;
    this.#held = false;
    for (const listener of this.#live.values()) this.#listen(listener);
  }

  /** Idle connections stay for a while, since their client may be about to write; then requests may still finish. */
  #retire(listener: LiveListener): void {
    listener.drain();
    if (listener.connections === 0) return;
    const { clock, drainMs } = this.#deps;
    this.#leaving.add(listener);
    clock.after(Math.min(KEEP_IDLE_MS, drainMs), () => listener.closeIdle());
    clock.after(drainMs, () => {
      listener.closeIdle();
      this.#report(listener.name, 'the listener is gone', listener.connections, listener.activeRequests);
      listener.close();
      this.#leaving.delete(listener);
    });
  }

  #drainChains(listener: LiveListener, chains: ReturnType<LiveListener['update']>): void {
    if (chains.length === 0) return;
    this.#deps.clock.after(this.#deps.drainMs, () => {
      const { connections, requests } = listener.closeDrained(chains);
      this.#report(listener.name, 'its filter chain is gone', connections, requests);
    });
  }

  #report(listener: string, why: string, connections: number, requests: number): void {
    if (connections === 0) return;
    const { stats, logger } = this.#deps;
    stats.add(this.#cut, connections);
    logger.warn({ listener, connections, requests, why }, 'connections were cut at the drain deadline');
  }

  /** Stops accepting on some listeners, or tells their clients to leave first; the proxy goes on. */
  drainSome({ inboundOnly, graceful, stops, ms }: DrainPlan): void {
    const some = [...this.#live.values()].filter(({ compiled }) => !inboundOnly || compiled.direction === 'inbound');
    for (const listener of some) {
      if (graceful) listener.sayClose();
      else listener.drain();
    }
    if (graceful && stops) this.#deps.clock.after(ms, () => some.forEach((listener) => listener.drain()));
  }

  /**
   * Ends all. Idle connections are kept until used or until the deadline: a client may be about to write.
   * @returns how many were cut.
   */
  async drain(deadlineMs: number): Promise<number> {
    const { clock, inherited } = this.#deps;
    this.#draining = true;
    for (const listener of this.all()) listener.drain();
    inherited.close();
    while (this.connections() > 0 && clock.now() < deadlineMs) {
      await new Promise<void>((resolve) => clock.after(DRAIN_POLL_MS, resolve));
    }
    for (const listener of this.all()) listener.closeIdle();
    const cut = this.connections();
    for (const listener of this.all()) {
      this.#report(listener.name, 'the proxy ends', listener.connections, listener.activeRequests);
      listener.close();
    }
    // What was refused in the last moment goes out yet.
    if (cut > 0) await new Promise<void>((resolve) => clock.after(DRAIN_POLL_MS, resolve));
    return cut;
  }

  close(): void {
    this.#draining = true;
    for (const listener of this.all()) listener.close();
    this.#deps.inherited.close();
  }
}

const sameAddress = (a: CompiledListener, b: CompiledListener): boolean =>
  a.address === b.address && a.port === b.port && a.bind === b.bind;
