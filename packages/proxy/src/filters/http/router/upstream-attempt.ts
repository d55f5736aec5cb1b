import type { ReasonCode } from '@weft/contracts';
import type { ForwardAction } from '@weft/evaluator';
import type { HeadView } from '../../../head/head-view.ts';
import type { UpstreamConnection } from '../../../http/connections.ts';
import type { ResponseReceiver, UpstreamFailure, UpstreamStream } from '../../../http/streams.ts';
import { askedBy } from '../../../upstream/asked-name.ts';
import type { Cluster } from '../../../upstream/cluster.ts';
import type { Host } from '../../../upstream/host.ts';
import type { HostPool, PoolWaiter } from '../../../upstream/pool/host-pool.ts';
import type { Outcome } from '../hcm-settings.ts';
import { hostSlot } from './host-slot.ts';
import { meterUpstream, noteAttempt, noteLink } from './log-notes.ts';
import { noteFailure, noteHead, noteTrailers } from './outlier-status.ts';
import type { RoutedStream } from './routed-stream.ts';
import { TunnelEnd } from './tunnel-end.ts';
import { introduceCaller } from './upstream-head.ts';

/** Whose attempt it is. */
export interface AttemptOwner extends ResponseReceiver {
  /** The exchange has begun; nothing was sent on it. */
  onUpstream(upstream: UpstreamStream, head: HeadView): void;
  /** There is no connection. */
  onNoUpstream(failure: UpstreamFailure, detail: string): void;
}

/**
 * The attempt in hand of a request: its host, the wait for a connection to it, the exchange there, and what statistics,
 * logs and outlier detection are told of them. One object serves all attempts of a request, one after the other.
 */
export class UpstreamAttempt implements PoolWaiter {
  /** undefined once all of the response is here, or nothing of it will come. */
  upstream: UpstreamStream | undefined;
  readonly #owner: AttemptOwner;
  readonly #stream: RoutedStream;
  readonly #outcome: Outcome;
  readonly #action: ForwardAction;
  readonly #cluster: Cluster;
  #host: Host | undefined;
  #number = 0;
  #pool: Pick<HostPool, 'acquire' | 'leave'> | undefined;
  #sentMs = 0;

  constructor(owner: AttemptOwner, stream: RoutedStream, outcome: Outcome, action: ForwardAction, cluster: Cluster) {
    this.#owner = owner;
    this.#stream = stream;
    this.#outcome = outcome;
    this.#action = action;
    this.#cluster = cluster;
  }

  /** Asks for a connection, which may be there before this returns. @param number from 1. */
  begin(host: Host, number: number): void {
    const stream = this.#stream;
    const { record, head } = stream;
    this.#host = host;
    this.#number = number;
    record.upstreamHost = host.name;
    record.upstreamHostName = host.facts.hostname;
    record.destinationWorkload = host.facts.workload;
    host.activeRequests += 1;
    host.totalRequests += 1;
    const { route } = this.#outcome;
    if (stream.wants !== undefined) {
      const choice = { host, cluster: this.#cluster, route: route.metadata };
      noteAttempt(record, stream.wants, choice, stream.manager.timers.now());
    }
    if (head !== undefined) {
      if (route.attemptCountInRequest) head.set('x-envoy-attempt-count', String(number));
      if (this.#action.autoHostRewrite && host.facts.hostname !== '') head.set(':authority', host.facts.hostname);
    }
    this.#pool = this.#poolOf(host);
    this.#pool.acquire(this);
  }

  #poolOf(host: Host): Pick<HostPool, 'acquire' | 'leave'> {
    const cluster = this.#cluster;
    const { downstream, requestOver, method, upgradeType, manager, head } = this.#stream;
    const { protocol, connection } = downstream;
    const http2 = protocol === 'HTTP/2';
    if (!this.#endsTunnel()) return cluster.poolOf(host, http2, upgradeType !== '', connection, askedBy(cluster, head));
    const ended = requestOver && (http2 || method !== 'CONNECT');
    return new TunnelEnd({ cluster, host, caller: connection, ids: manager.ids, ended });
  }

  /** Whether the client asked for TCP to the host, and not for another proxy's help to get there. */
  #endsTunnel(): boolean {
    const { terminates } = this.#action;
    if (terminates === undefined) return false;
    const { method, upgradeType } = this.#stream;
    return upgradeType === 'connect' || (terminates.post && method === 'POST');
  }

  onPoolReady(connection: UpstreamConnection): void {
    const stream = this.#stream;
    const { head, record, wants, manager } = stream;
    const host = this.#host;
    if (host === undefined || head === undefined) return;
    record.upstreamLocalAddress = connection.localAddress;
    record.upstreamLink = connection.link;
    record.destinationPrincipal = connection.peerPrincipal;
    if (manager.settings.direction !== 'inbound') record.mutualTls = connection.peerPrincipal !== '';
    stream.statsSlot = hostSlot(stream, this.#cluster, host, connection.peerPrincipal);
    this.#cluster.outlier?.onConnected(host, false);
    this.#sentMs = manager.timers.now();
    record.upstreamSentMs = this.#sentMs - record.startMs;
    const upstream = connection.begin(this.#owner);
    this.upstream = upstream;
    if (wants !== undefined) {
      noteLink(record, wants, this.#sentMs);
      if (wants.wire) meterUpstream(record, upstream);
    }
    introduceCaller(manager.peers, connection, head, this.#number > 1);
    this.#owner.onUpstream(upstream, head);
  }

  onPoolFailed(failure: UpstreamFailure, detail: string): void {
    this.#owner.onNoUpstream(failure, detail);
  }

  /** What the host answered. */
  onHead(status: number, head: HeadView): void {
    const { record, manager } = this.#stream;
    record.upstreamMs = manager.timers.now() - this.#sentMs;
    const host = this.#host;
    if (host === undefined) return;
    if (status >= 500) host.failedRequests += 1;
    const { outlier } = this.#cluster;
    if (outlier !== undefined) noteHead(outlier, host, status, head);
  }

  onTrailers(trailers: HeadView): void {
    const { outlier } = this.#cluster;
    if (outlier !== undefined && this.#host !== undefined) noteTrailers(outlier, this.#host, trailers);
  }

  onFailed(failure: ReasonCode): void {
    if (this.#host !== undefined) this.#host.failedRequests += 1;
    this.noteFailure(failure);
  }

  noteFailure(failure: ReasonCode): void {
    const { outlier } = this.#cluster;
    if (outlier !== undefined && this.#host !== undefined) noteFailure(outlier, this.#host, failure);
  }

  /** Nobody waits any longer. */
  onTimeout(): void {
    this.cancel();
    if (this.#host !== undefined) this.#host.timedOutRequests += 1;
  }

  /** Nothing more of it is wanted. */
  cancel(): void {
    const { upstream } = this;
    this.upstream = undefined;
    if (upstream === undefined) this.#pool?.leave(this);
    else upstream.cancel();
  }

  /** The host is done with it. @returns which one; undefined when there was none. */
  leave(): Host | undefined {
    const host = this.#host;
    this.#pool = undefined;
    this.#host = undefined;
    if (host !== undefined) host.activeRequests -= 1;
    return host;
  }
}
