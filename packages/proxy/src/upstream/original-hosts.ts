import { isIP } from 'node:net';
import { Deadline, type TimerQueue } from '../timers/timer-queue.ts';
import type { OriginalHostsOptions } from './cluster-settings.ts';
import { Host } from './host.ts';
import { hostName, plainHost } from './host-facts.ts';

/** Where the client of a connection was going before it was redirected here. */
export interface RedirectedFrom {
  readonly localAddress: string;
  readonly localPort: number;
  /** False when the client dialled the proxy itself: then there is no other destination. */
  readonly redirected?: boolean;
}

export interface OriginalHostsDeps {
  readonly timers: TimerQueue;
  /** True for addresses that this proxy listens on: who is sent there comes back here, for ever. */
  isOwnListener(address: string, port: number): boolean;
  /** Its connections end. */
  onForgotten(host: Host): void;
}

/** More than one workload calls; beyond it the longest unused one makes room. */
const MAX_HOSTS = 1024;

/** The hosts of an ORIGINAL_DST cluster: made when somebody wants to go there, forgotten when nobody does. */
export class OriginalHosts {
  options: OriginalHostsOptions;
  readonly #deps: OriginalHostsDeps;
  readonly #maxHosts: number;
  /** The longest unused first. */
  readonly #hosts = new Map<string, Host>();
  readonly #lastUsedMs = new Map<Host, number>();
  readonly #sweep = new Deadline(this, 0);
  #sweeping = false;
  /** Of the cluster's life. */
  invalid = 0;
  loops = 0;
  overflows = 0;

  constructor(options: OriginalHostsOptions, deps: OriginalHostsDeps, maxHosts = MAX_HOSTS) {
    this.options = options;
    this.#deps = deps;
    this.#maxHosts = maxHosts;
  }

  get hosts(): readonly Host[] {
    return [...this.#hosts.values()];
  }

  /** @param header value of the header of the options; empty when the request has none. @returns undefined when it is not known where to go, or may not be gone to. */
  hostFor(connection: RedirectedFrom, header: string): Host | undefined {
    const named = header === '' ? undefined : parseDestination(header);
    if (header !== '' && named === undefined) this.invalid += 1;
    if (named !== undefined) return this.#use(named.address, named.port);
    return connection.redirected === true ? this.#use(connection.localAddress, connection.localPort) : undefined;
  }

  #use(address: string, asked: number): Host | undefined {
    const port = this.options.port ?? asked;
    if (this.#deps.isOwnListener(address, port)) {
      this.loops += 1;
      return undefined;
    }
    const name = hostName({ address, port });
    let host = this.#hosts.get(name);
    if (host === undefined) {
      if (this.#hosts.size >= this.#maxHosts && !this.#makeRoom()) {
        this.overflows += 1;
        return undefined;
      }
      host = new Host(plainHost(address, port), this.#deps.timers.now());
    } else this.#hosts.delete(name);
    this.#hosts.set(name, host);
    this.#lastUsedMs.set(host, this.#deps.timers.now());
    if (!this.#sweeping) this.#armSweep();
    return host;
  }

  #makeRoom(): boolean {
    for (const host of this.#hosts.values()) {
      if (host.activeRequests > 0) continue;
      this.#forget(host);
      return true;
    }
    return false;
  }

  onDeadline(): void {
    this.#sweeping = false;
    const limit = this.#deps.timers.now() - this.options.cleanupMs;
    for (const host of this.#hosts.values()) {
      if (host.activeRequests > 0) this.#lastUsedMs.set(host, this.#deps.timers.now());
      else if ((this.#lastUsedMs.get(host) ?? 0) <= limit) this.#forget(host);
    }
    if (this.#hosts.size > 0) this.#armSweep();
  }

  #armSweep(): void {
    this.#sweeping = true;
    this.#deps.timers.arm(this.#sweep, Math.max(1, this.options.cleanupMs));
  }

  #forget(host: Host): void {
    this.#hosts.delete(host.name);
    this.#lastUsedMs.delete(host);
    this.#deps.onForgotten(host);
  }

  close(): void {
    this.#deps.timers.cancel(this.#sweep);
    this.#hosts.clear();
    this.#lastUsedMs.clear();
  }
}

function parseDestination(text: string): { readonly address: string; readonly port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text.trim());
  const address = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  return isIP(address) === 0 || !(port > 0 && port <= 65_535) ? undefined : { address, port };
}
