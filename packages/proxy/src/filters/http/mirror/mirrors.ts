import type { MirrorPolicy } from '@weft/evaluator';
import type { Random } from '@weft/kit';
import type { HeadView } from '../../../head/head-view.ts';
import type { PeerExchange, StatsSink } from '../../../ports.ts';
import type { TimerQueue } from '../../../timers/timer-queue.ts';
import type { Cluster } from '../../../upstream/cluster.ts';
import { mirrorHead } from './mirror-head.ts';
import { type MirrorOwner, MirrorRequest } from './mirror-request.ts';
import { MirrorTarget } from './mirror-target.ts';

export interface MirrorDeps {
  readonly clusters: ReadonlyMap<string, Cluster>;
  readonly timers: TimerQueue;
  readonly random: Random;
  readonly stats: StatsSink;
  readonly peers: PeerExchange | undefined;
}

// A mirror that hangs must not gather requests without end; Envoy's default breaker is of this size.
const MAX_IN_FLIGHT = 1024;
const MAX_HELD_BYTES = 1024 * 1024;
const MAX_HELD_BYTES_IN_ALL = 32 * 1024 * 1024;
// Where the route sets no limit; Envoy's default for routes.
const DEFAULT_TIMEOUT_MS = 15_000;

/** Copies of requests, sent to other clusters on nobody's time: whatever becomes of them, the caller does not notice. */
export class Mirrors implements MirrorOwner {
  readonly deps: MirrorDeps;
  readonly #targets = new Map<string, MirrorTarget>();
  readonly #noCluster: number;
  #heldBytes = 0;

  constructor(deps: MirrorDeps) {
    this.deps = deps;
    this.#noCluster = deps.stats.counter('weft.mirror_cluster_not_found');
  }

  /**
   * @param head of the request as it goes to its own upstream. @param last whether it has no body.
   * @param timeoutMs of the route; 0 = none. @param overHttp2 whether the caller speaks HTTP/2. @returns undefined when no copy is made.
   */
  begin(
    policies: readonly MirrorPolicy[],
    head: HeadView,
    last: boolean,
    timeoutMs: number,
    overHttp2: boolean,
  ): MirrorRequest[] | undefined {
    let begun: MirrorRequest[] | undefined;
    for (const policy of policies) {
      if (policy.fraction < 1 && this.deps.random.next() >= policy.fraction) continue;
      const name = policy.clusterHeader === '' ? policy.cluster : (head.get(policy.clusterHeader) ?? '');
      const cluster = this.deps.clusters.get(name);
      if (cluster === undefined) {
        this.deps.stats.add(this.#noCluster, 1);
        continue;
      }
      const target = this.#target(name);
      if (target.inFlight >= MAX_IN_FLIGHT || !cluster.circuit.tryRequest()) {
        this.deps.stats.add(target.overflow, 1);
        continue;
      }
      const request = new MirrorRequest(this, target, cluster, mirrorHead(head, policy), last);
      (begun ??= []).push(request);
      request.start(timeoutMs > 0 ? timeoutMs : DEFAULT_TIMEOUT_MS, overHttp2);
    }
    return begun;
  }

  /** @returns false when the bytes must not be held. @param held what this request holds already. */
  tryHold(bytes: number, held: number): boolean {
    if (held + bytes > MAX_HELD_BYTES || this.#heldBytes + bytes > MAX_HELD_BYTES_IN_ALL) return false;
    this.#heldBytes += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#heldBytes -= bytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  #target(cluster: string): MirrorTarget {
    let target = this.#targets.get(cluster);
    if (target === undefined) {
      target = new MirrorTarget(cluster, this.deps.stats);
      this.#targets.set(cluster, target);
    }
    return target;
  }
}
