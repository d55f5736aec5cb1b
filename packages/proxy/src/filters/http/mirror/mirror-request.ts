import { FieldsHead } from '../../../head/fields-head.ts';
import type { HeadView } from '../../../head/head-view.ts';
import type { UpstreamConnection } from '../../../http/connections.ts';
import type { ResponseReceiver, UpstreamStream } from '../../../http/streams.ts';
import type { PeerExchange, StatsSink } from '../../../ports.ts';
import { Deadline, type TimerQueue } from '../../../timers/timer-queue.ts';
import { askedBy } from '../../../upstream/asked-name.ts';
import type { Cluster } from '../../../upstream/cluster.ts';
import type { Host } from '../../../upstream/host.ts';
import { FIRST_ATTEMPT } from '../../../upstream/lb/lb-policy.ts';
import type { HostPool, PoolWaiter } from '../../../upstream/pool/host-pool.ts';
import type { MirrorTarget } from './mirror-target.ts';

const EMPTY = Buffer.alloc(0);

/** What a copy asks of those who sent it on its way. */
export interface MirrorOwner {
  readonly deps: {
    readonly timers: TimerQueue;
    readonly stats: StatsSink;
    readonly peers: PeerExchange | undefined;
  };
  /** @returns false when the bytes must not be held. @param held what this request holds already. */
  tryHold(bytes: number, held: number): boolean;
  release(bytes: number): void;
}

/**
 * One copy on its way. It takes what its request receives, holds what the mirror can not take at once, and gives itself
 * up rather than hold more than it may. Its answer is read and forgotten.
 */
export class MirrorRequest implements PoolWaiter, ResponseReceiver {
  readonly #mirrors: MirrorOwner;
  readonly #target: MirrorTarget;
  readonly #cluster: Cluster;
  readonly #head: FieldsHead;
  /** The request has come whole. */
  #complete: boolean;
  readonly #hasBody: boolean;
  #host: Host | undefined;
  #pool: HostPool | undefined;
  #upstream: UpstreamStream | undefined;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #trailers: FieldsHead | undefined;
  /** Everything was handed to the connection. */
  #sent = false;
  #timeoutMs = 0;
  #wait: Deadline | undefined;
  #over = false;

  constructor(mirrors: MirrorOwner, target: MirrorTarget, cluster: Cluster, head: FieldsHead, last: boolean) {
    this.#mirrors = mirrors;
    this.#target = target;
    this.#cluster = cluster;
    this.#head = head;
    this.#complete = last;
    this.#hasBody = !last;
  }

  /** @param timeoutMs from the end of the request to the end of the answer. */
  start(timeoutMs: number, overHttp2: boolean): void {
    this.#timeoutMs = timeoutMs;
    this.#target.inFlight += 1;
    this.#count(this.#target.sent);
    const host = this.#cluster.pick(FIRST_ATTEMPT);
    if (host === undefined) {
      this.#end(this.#target.failed);
      return;
    }
    host.activeRequests += 1;
    host.totalRequests += 1;
    this.#host = host;
    if (this.#complete) this.#armTimeout();
    this.#pool = this.#cluster.poolOf(host, overHttp2, false, undefined, askedBy(this.#cluster, this.#head));
    this.#pool.acquire(this);
  }

  // The request.

  onRequestData(buffer: Buffer, start: number, end: number, last: boolean): void {
    if (this.#over || this.#complete) return;
    this.#complete = last;
    const upstream = this.#upstream;
    if (upstream !== undefined && this.#held.length === 0 && !upstream.congested) {
      if (last) this.#sent = true;
      upstream.sendData(buffer, start, end, last);
    } else if (end > start) this.#hold(buffer, start, end);
    if (last) this.#armTimeout();
  }

  onRequestTrailers(trailers: HeadView): void {
    if (this.#over || this.#complete) return;
    this.#complete = true;
    this.#trailers = FieldsHead.copyOf(trailers);
    this.#armTimeout();
    this.#pump();
  }

  flush(): void {
    if (!this.#over) this.#upstream?.flush();
  }

  /** The request is over, or nobody will send the rest of it: a copy of half a request is none. */
  onRequestOver(): void {
    if (!this.#complete) this.#end(this.#target.cancelled);
  }

  #hold(buffer: Buffer, start: number, end: number): void {
    const bytes = end - start;
    if (!this.#mirrors.tryHold(bytes, this.#heldBytes)) {
      this.#end(this.#target.tooLarge);
      return;
    }
    this.#heldBytes += bytes;
    this.#held.push(Buffer.from(buffer.subarray(start, end)));
  }

  /** Hands on what was held, as far as it is taken. */
  #pump(): void {
    const upstream = this.#upstream;
    if (upstream === undefined || this.#sent || !this.#hasBody) return;
    let taken = 0;
    while (taken < this.#held.length && !upstream.congested) {
      const chunk = this.#held[taken] ?? EMPTY;
      taken += 1;
      this.#heldBytes -= chunk.length;
      this.#mirrors.release(chunk.length);
      const last = this.#complete && this.#trailers === undefined && taken === this.#held.length;
      this.#sent = last;
      upstream.sendData(chunk, 0, chunk.length, last);
      if (this.#over) return;
    }
    if (taken > 0) this.#held.splice(0, taken);
    if (this.#held.length === 0 && this.#complete && !this.#sent) {
      this.#sent = true;
      if (this.#trailers === undefined) upstream.sendData(EMPTY, 0, 0, true);
      else upstream.sendTrailers(this.#trailers);
    }
    upstream.flush();
  }

  // The mirror.

  onPoolReady(connection: UpstreamConnection): void {
    if (this.#over) return;
    const upstream = connection.begin(this);
    this.#upstream = upstream;
    const { peers } = this.#mirrors.deps;
    if (peers !== undefined && connection.peerPrincipal !== '' && connection.exchanges <= 1) {
      this.#head.set('x-envoy-peer-metadata-id', peers.id);
      this.#head.set('x-envoy-peer-metadata', peers.metadata);
    }
    upstream.sendHead(this.#head, !this.#hasBody);
    this.#pump();
  }

  onPoolFailed(): void {
    this.#end(this.#target.failed);
  }

  onInformational(): void {}

  onResponseHead(_: number, __: HeadView, last: boolean): void {
    if (last) this.#answered();
  }

  onResponseData(_: Buffer, __: number, ___: number, last: boolean): void {
    if (last) this.#answered();
  }

  onResponseTrailers(): void {
    this.#answered();
  }

  onResponsePause(): void {}

  onUpstreamWritable(): void {
    this.#pump();
  }

  onUpstreamFailed(): void {
    this.#upstream = undefined;
    if (this.#host !== undefined) this.#host.failedRequests += 1;
    this.#end(this.#target.failed);
  }

  onDeadline(): void {
    this.#end(this.#target.timedOut);
  }

  #answered(): void {
    this.#upstream = undefined;
    this.#end(this.#target.answered);
  }

  #armTimeout(): void {
    if (this.#over) return;
    this.#wait ??= new Deadline(this, 0);
    this.#mirrors.deps.timers.arm(this.#wait, this.#timeoutMs);
  }

  #count(counter: number): void {
    this.#mirrors.deps.stats.add(counter, 1);
  }

  #end(counter: number): void {
    if (this.#over) return;
    this.#over = true;
    this.#count(counter);
    this.#target.inFlight -= 1;
    this.#cluster.circuit.endRequest();
    if (this.#wait !== undefined) this.#mirrors.deps.timers.cancel(this.#wait);
    this.#mirrors.release(this.#heldBytes);
    this.#heldBytes = 0;
    this.#held = [];
    const upstream = this.#upstream;
    this.#upstream = undefined;
    if (upstream !== undefined) upstream.cancel();
    else this.#pool?.leave(this);
    this.#pool = undefined;
    if (this.#host !== undefined) this.#host.activeRequests -= 1;
    this.#host = undefined;
  }
}
