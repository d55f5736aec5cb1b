import type { ReasonCode } from '@weft/contracts';
import { type ForwardAction, redirectLocation, rewritePath } from '@weft/evaluator';
import { knownReason } from '../../../failures.ts';
import type { HeadView } from '../../../head/head-view.ts';
import type { UpstreamConnection } from '../../../http/connections.ts';
import type { ResponseReceiver, UpstreamFailure, UpstreamStream } from '../../../http/streams.ts';
import { Deadline } from '../../../timers/timer-queue.ts';
import type { Cluster } from '../../../upstream/cluster.ts';
import type { Host } from '../../../upstream/host.ts';
import type { OriginalHosts } from '../../../upstream/original-hosts.ts';
import type { LbAttempt } from '../../../upstream/lb/lb-policy.ts';
import type { HostPool, PoolWaiter } from '../../../upstream/pool/host-pool.ts';
import {
  type AttemptOutcome,
  backoffMs,
  isSafeMethod,
  isOmitted,
  mayAskForRetry,
  resetWaitMs,
  wantsRetry,
} from '../../../upstream/retry/retry-decision.ts';
import { coarse, parseGrpcTimeout } from '../grpc.ts';
import { applyEdits } from '../header-edits.ts';
import type { Outcome } from '../hcm-settings.ts';
import type { MirrorRequest } from '../mirror/mirror-request.ts';
import type { RoutedStream } from './routed-stream.ts';
import { stripMeshHeaders } from '../request-headers.ts';
import { hostSlot } from './host-slot.ts';
import { KeptBody } from './kept-body.ts';
import { meterUpstream, noteAttempt, noteLink } from './log-notes.ts';
import { TunnelEnd } from './tunnel-end.ts';
import { noteFailure, noteHead, noteTrailers } from './outlier-status.ts';

const ROUTE_TIMEOUT = 0;
const PER_TRY_TIMEOUT = 1;
const BACKOFF = 2;
const PER_TRY_IDLE = 3;
const STREAM_DURATION = 4;
const DEADLINE_EXCEEDED = 4;
const NO_HOSTS: ReadonlySet<Host> = new Set();

/** The end of the filter chain: sends the request to a host of the route's cluster, again where that is allowed. */
export class RouterRequest implements PoolWaiter, ResponseReceiver, LbAttempt {
  hashed = false;
  hashHigh = 0;
  hashLow = 0;
  /** A cookie to give to the client, for the hash of its next requests. */
  #hashCookie = '';
  readonly #stream: RoutedStream;
  readonly #outcome: Outcome;
  #action: ForwardAction | undefined;
  #cluster: Cluster | undefined;
  #host: Host | undefined;
  #pool: Pick<HostPool, 'acquire' | 'leave'> | undefined;
  #upstream: UpstreamStream | undefined;
  #attempts = 0;
  #retries = 0;
  #tried: Set<Host> | undefined;
  #freshTryUsed = false;
  #kept: KeptBody | undefined;
  #hasBody = false;
  /** Copies that are on their way while the request is being received. */
  #mirrors: MirrorRequest[] | undefined;
  #sentMs = 0;
  #responseStarted = false;
  #countsAsRequest = false;
  #countsAsRetry = false;
  #over = false;
  /** While the request's own bytes are being handled: what follows them flushes. */
  #starting = false;
  #routeWait: Deadline | undefined;
  #tryWait: Deadline | undefined;
  #tryIdle: Deadline | undefined;
  #backoff: Deadline | undefined;
  #durationWait: Deadline | undefined;

  constructor(stream: RoutedStream, outcome: Outcome) {
    this.#stream = stream;
    this.#outcome = outcome;
  }

  start(): void {
    const stream = this.#stream;
    const { decision, match } = this.#outcome.route;
    if (decision.kind === 'redirect') {
      const location = redirectLocation(decision, match, stream);
      stream.reply('direct-response', { status: decision.status, silent: true, headers: [['location', location]] });
      return;
    }
    if (decision.kind === 'direct-response') {
      stream.reply('direct-response', {
        status: decision.status,
        silent: true,
        body: decision.body,
      });
      return;
    }
    this.#action = decision;
    const cluster = stream.manager.clusters.get(stream.clusterName);
    if (cluster === undefined) {
      stream.reply('cluster-not-found', { status: decision.clusterNotFoundStatus });
      return;
    }
    this.#cluster = cluster;
    if (stream.upgradeType !== '' && !this.#upgradeAllowed(decision)) {
      stream.reply('upgrade-refused');
      return;
    }
    if (!cluster.circuit.tryRequest()) {
      stream.reply('upstream-overflow');
      return;
    }
    this.#countsAsRequest = true;
    this.#hasBody = !stream.requestOver;
    if (this.#hasBody && decision.retry !== undefined) this.#kept = new KeptBody(stream.manager.settings.keptBytes);
    if (decision.hashPolicies.length > 0) this.#hash(decision.hashPolicies);
    const { head } = stream;
    if (head !== undefined) this.#rewrite(head, decision);
    if (decision.mirrors.length > 0 && head !== undefined && stream.upgradeType === '' && stream.method !== 'CONNECT')
      this.#mirrors = stream.manager.mirrors.begin(
        decision.mirrors,
        head,
        stream.requestOver,
        decision.timeoutMs,
        stream.downstream.protocol === 'HTTP/2',
      );
    if (stream.requestOver) this.#armRouteTimeout();
    this.#armDuration(decision);
    this.#starting = true;
    this.#attempt();
    this.#starting = false;
    if (this.#hasBody && this.#upstream === undefined && !this.#over) stream.downstream.pauseRequest();
  }

  #upgradeAllowed(action: ForwardAction): boolean {
    const type = this.#stream.upgradeType;
    return action.upgrades.get(type) ?? this.#stream.manager.settings.upgrades.get(type) ?? false;
  }

  /** Everything that is the same for each attempt. */
  #rewrite(head: HeadView, action: ForwardAction): void {
    const stream = this.#stream;
    const outcome = this.#outcome;
    if (action.prefixRewrite !== '' || action.regexRewrite !== undefined) {
      const path = rewritePath(stream.path, outcome.route.match, action.prefixRewrite, action.regexRewrite);
      if (path !== stream.path) {
        head.set('x-envoy-original-path', head.get(':path') ?? '');
        head.set(':path', stream.query === '' ? path : `${path}?${stream.query}`);
      }
    }
    if (outcome.requestMutations.length > 0) applyEdits(outcome.requestMutations, head, stream);
    if (outcome.hostRewrite !== '') {
      if (action.appendForwardedHost) head.add('x-forwarded-host', stream.authority);
      head.set(':authority', outcome.hostRewrite);
    }
  }

  #attempt(): void {
    const stream = this.#stream;
    const cluster = this.#cluster;
    if (cluster === undefined) return;
    this.#attempts += 1;
    stream.record.attempts = this.#attempts;
    const { original } = cluster;
    const host = original === undefined ? cluster.pick(this) : this.#originalHost(original);
    if (host === undefined) {
      this.#finishFailed('no-healthy-upstream');
      return;
    }
    this.#host = host;
    stream.record.upstreamHost = host.name;
    stream.record.upstreamHostName = host.facts.hostname;
    stream.record.destinationWorkload = host.facts.workload;
    host.activeRequests += 1;
    host.totalRequests += 1;
    if (stream.wants !== undefined) {
      const route = this.#outcome.route.metadata;
      noteAttempt(stream.record, stream.wants, { host, cluster, route }, stream.manager.timers.now());
    }
    const { head } = stream;
    if (head !== undefined) {
      if (this.#outcome.route.attemptCountInRequest) head.set('x-envoy-attempt-count', String(this.#attempts));
      if (this.#action?.autoHostRewrite === true && host.facts.hostname !== '')
        head.set(':authority', host.facts.hostname);
    }
    this.#armTryTimeouts();
    const { protocol, connection } = stream.downstream;
    const http2 = protocol === 'HTTP/2';
    this.#pool = this.#endsTunnel()
      ? new TunnelEnd({
          cluster,
          host,
          caller: connection,
          ids: stream.manager.ids,
          ended: stream.requestOver && (http2 || stream.method !== 'CONNECT'),
        })
      : cluster.poolOf(host, http2, stream.upgradeType !== '', connection);
    this.#pool.acquire(this);
  }

  /** Whether the client asked for TCP to the host, and not for another proxy's help to get there. */
  #endsTunnel(): boolean {
    const terminates = this.#action?.terminates;
    if (terminates === undefined) return false;
    const { method, upgradeType } = this.#stream;
    return upgradeType === 'connect' || (terminates.post && method === 'POST');
  }

  #originalHost(original: OriginalHosts): Host | undefined {
    const { downstream, head } = this.#stream;
    const { header } = original.options;
    return original.hostFor(downstream.connection, header === '' ? '' : (head?.get(header) ?? ''));
  }

  /** For another attempt. */
  get heldBytes(): number {
    return this.#kept?.bytes ?? 0;
  }

  // What the balancer asks.

  #hash(policies: ForwardAction['hashPolicies']): void {
    const { requestHash } = this.#stream.manager;
    requestHash.evaluate(policies, this.#stream);
    this.hashed = requestHash.found;
    this.hashHigh = requestHash.high;
    this.hashLow = requestHash.low;
    this.#hashCookie = requestHash.setCookie;
  }

  get tried(): ReadonlySet<Host> {
    return this.#tried ?? NO_HOSTS;
  }
  get repicks(): number {
    const policy = this.#action?.retry;
    if (policy === undefined || this.#tried === undefined) return 0;
    return policy.avoidPreviousHosts || policy.omittedHosts.length > 0 ? policy.hostSelectionAttempts : 0;
  }
  rejects(host: Host): boolean {
    const policy = this.#action?.retry;
    if (policy === undefined) return false;
    return (policy.avoidPreviousHosts && this.tried.has(host)) || isOmitted(policy, host.facts);
  }
  get failedAttempts(): number {
    return this.#attempts - 1;
  }
  get otherPriorityEvery(): number {
    return this.#action?.retry?.otherPriorityEvery ?? 0;
  }
  get boundTo(): string {
    return this.#attempts > 1 ? '' : this.#stream.boundTo;
  }
  get boundStrictly(): boolean {
    return this.#stream.boundStrictly;
  }

  // The pool.

  onPoolReady(connection: UpstreamConnection): void {
    const stream = this.#stream;
    const { head } = stream;
    if (this.#over || head === undefined) return;
    const { record } = stream;
    record.upstreamLocalAddress = connection.localAddress;
    record.upstreamLink = connection.link;
    record.destinationPrincipal = connection.peerPrincipal;
    if (stream.manager.settings.direction !== 'inbound') record.mutualTls = connection.peerPrincipal !== '';
    if (this.#host !== undefined && this.#cluster !== undefined) {
      stream.statsSlot = hostSlot(stream, this.#cluster, this.#host, connection.peerPrincipal);
      this.#cluster.outlier?.onConnected(this.#host, false);
    }
    this.#sentMs = stream.manager.timers.now();
    record.upstreamSentMs = this.#sentMs - record.startMs;
    const upstream = connection.begin(this);
    this.#upstream = upstream;
    if (stream.wants !== undefined) {
      noteLink(record, stream.wants, this.#sentMs);
      if (stream.wants.wire) meterUpstream(record, upstream);
    }
    this.#introduce(connection, head);
    upstream.sendHead(head, !this.#hasBody);
    if (!this.#hasBody) return;
    this.#kept?.replay(upstream, stream.requestOver);
    if (!stream.requestOver && !upstream.congested) stream.downstream.resumeRequest();
    if (!this.#starting) upstream.flush();
  }

  /** Tells a peer of the mesh once per connection who is calling. */
  #introduce(connection: UpstreamConnection, head: HeadView): void {
    const { peers } = this.#stream.manager;
    if (peers === undefined || connection.peerPrincipal === '') return;
    if (connection.exchanges > 1) {
      if (this.#attempts > 1) head.remove('x-envoy-peer-metadata');
      return;
    }
    head.set('x-envoy-peer-metadata-id', peers.id);
    head.set('x-envoy-peer-metadata', peers.metadata);
  }

  onPoolFailed(failure: UpstreamFailure, detail: string): void {
    this.#stream.record.upstreamTransportFailure = detail;
    this.#onFailure(failure, false);
  }

  // The request.

  onRequestData(buffer: Buffer, start: number, end: number, last: boolean): void {
    this.#kept?.keep(buffer, start, end);
    if (this.#mirrors !== undefined) for (const one of this.#mirrors) one.onRequestData(buffer, start, end, last);
    if (last) this.#armRouteTimeout();
    const upstream = this.#upstream;
    if (upstream === undefined) return;
    upstream.sendData(buffer, start, end, last);
    if (last || !upstream.congested) return;
    this.#stream.manager.countPausedReading();
    this.#stream.downstream.pauseRequest();
  }

  onRequestTrailers(trailers: HeadView): void {
    this.#kept?.keepTrailers(trailers);
    if (this.#mirrors !== undefined) for (const one of this.#mirrors) one.onRequestTrailers(trailers);
    this.#armRouteTimeout();
    this.#upstream?.sendTrailers(trailers);
  }

  flush(): void {
    this.#upstream?.flush();
    if (this.#mirrors !== undefined) for (const one of this.#mirrors) one.flush();
  }

  onUpstreamWritable(): void {
    this.#stream.touch();
    if (!this.#stream.requestOver || this.#stream.upgradeType !== '') this.#stream.downstream.resumeRequest();
  }

  // The response.

  onInformational(head: HeadView): void {
    if (!this.#responseStarted) this.#stream.downstream.sendInformational(head);
  }

  onResponseHead(status: number, head: HeadView, last: boolean): void {
    const stream = this.#stream;
    const { manager, record } = stream;
    const trusted = this.#upstream?.peerPrincipal !== '' && manager.settings.direction !== 'inbound';
    let meshReason: ReasonCode | undefined;
    if (trusted) meshReason = knownReason(head.get('x-weft-reason') ?? '');
    else stripMeshHeaders(head);
    head.remove('x-envoy-peer-metadata');
    head.remove('x-envoy-peer-metadata-id');
    record.upstreamMs = manager.timers.now() - this.#sentMs;
    if (status >= 500 && this.#host !== undefined) this.#host.failedRequests += 1;
    const outlier = this.#cluster?.outlier;
    if (outlier !== undefined && this.#host !== undefined) noteHead(outlier, this.#host, status, head);
    const policy = this.#action?.retry;
    if (
      policy !== undefined &&
      mayAskForRetry(policy, status, head) &&
      this.#mayRetry({ kind: 'response', status, head, meshReason })
    ) {
      const upstream = this.#upstream;
      if (last) this.#upstream = undefined;
      const resetMs = policy.rateLimited === undefined ? undefined : resetWaitMs(policy.rateLimited, head, manager);
      this.#leaveHost();
      if (!last) upstream?.cancel();
      this.#scheduleRetry(resetMs);
      return;
    }
    if (meshReason !== undefined) record.reason = meshReason;
    if (this.#hashCookie !== '') head.add('set-cookie', this.#hashCookie);
    this.#responseStarted = true;
    this.#kept = undefined;
    this.#cancelTryTimeouts();
    if (!manager.settings.suppressEnvoyHeaders)
      head.set('x-envoy-upstream-service-time', String(Math.max(0, record.upstreamMs)));
    if (this.#outcome.route.attemptCountInResponse) head.set('x-envoy-attempt-count', String(this.#attempts));
    if (last) this.#upstreamDone();
    stream.sendUpstreamHead(status, head, last);
    if (status === 101 || (stream.method === 'CONNECT' && status < 300)) this.#tunnel();
    else if (!last && stream.downstream.congested) this.#pauseResponse();
  }

  #tunnel(): void {
    this.#cancelRouteTimeout();
    this.#stream.requestOver = false;
    this.#hasBody = true;
    this.#kept = undefined;
    this.#upstream?.startTunnel();
    this.#stream.downstream.startTunnel();
  }

  onResponseData(buffer: Buffer, start: number, end: number, last: boolean): void {
    if (last) this.#upstreamDone();
    this.#stream.sendData(buffer, start, end, last);
    if (!last && this.#stream.downstream.congested) this.#pauseResponse();
  }

  #pauseResponse(): void {
    this.#cluster?.countPausedReading();
    this.#upstream?.pauseResponse();
  }

  onResponseTrailers(trailers: HeadView): void {
    const outlier = this.#cluster?.outlier;
    if (outlier !== undefined && this.#host !== undefined) noteTrailers(outlier, this.#host, trailers);
    this.#upstreamDone();
    this.#stream.sendTrailers(trailers);
  }

  onResponsePause(): void {
    this.#stream.downstream.flush();
  }

  onDownstreamWritable(): void {
    this.#upstream?.resumeResponse();
  }

  onUpstreamFailed(failure: UpstreamFailure, detail: string, anyByte: boolean): void {
    const stale =
      this.#upstream !== undefined && this.#upstream.reused && !anyByte && failure !== 'upstream-protocol-error';
    this.#upstream = undefined;
    this.#stream.record.upstreamTransportFailure = detail;
    if (this.#responseStarted) {
      this.#leaveHost();
      this.#stream.cut('upstream-response-cut');
      return;
    }
    // An idle connection that the host closed as we used it: not an attempt that failed, one that did not begin.
    if (stale && !this.#freshTryUsed && !this.#hasBody && isSafeMethod(this.#stream.method)) {
      this.#freshTryUsed = true;
      this.#leaveHost();
      this.#attempts -= 1;
      this.#attempt();
      return;
    }
    this.#onFailure(failure, anyByte);
  }

  #onFailure(failure: ReasonCode, anyByte: boolean): void {
    if (this.#over) return;
    if (this.#host !== undefined) {
      this.#host.failedRequests += 1;
      const outlier = this.#cluster?.outlier;
      if (outlier !== undefined) noteFailure(outlier, this.#host, failure);
    }
    const retry = this.#action?.retry !== undefined && this.#mayRetry({ kind: 'failure', failure, anyByte });
    this.#leaveHost();
    if (retry) this.#scheduleRetry();
    else this.#finishFailed(failure);
  }

  // Another attempt.

  #mayRetry(outcome: AttemptOutcome): boolean {
    const policy = this.#action?.retry;
    if (policy === undefined || !wantsRetry(policy, this.#stream.method, outcome)) return false;
    if (this.#kept?.complete === false || this.#stream.upgradeType !== '') return false;
    if (this.#retries >= policy.numRetries) {
      if (this.#retries > 0) this.#stream.flag('URX');
      return false;
    }
    this.#endRetryCount();
    if (this.#cluster?.circuit.tryRetry() !== true) {
      this.#stream.flag('UO');
      return false;
    }
    this.#countsAsRetry = true;
    return true;
  }

  /** @param resetMs a wait that the upstream asked for. */
  #scheduleRetry(resetMs?: number): void {
    const policy = this.#action?.retry;
    if (policy === undefined) return;
    const { manager } = this.#stream;
    this.#retries += 1;
    if (this.#hasBody && !this.#stream.requestOver) this.#stream.downstream.pauseRequest();
    this.#backoff ??= new Deadline(this, BACKOFF);
    manager.timers.arm(this.#backoff, resetMs ?? backoffMs(policy, this.#retries, manager.random));
  }

  // Ends.

  /** The host is done with this attempt; it counts as tried. */
  #leaveHost(): void {
    this.#cancelTryTimeouts();
    this.#pool = undefined;
    if (this.#host === undefined) return;
    this.#host.activeRequests -= 1;
    if (this.#action?.retry !== undefined) {
      this.#tried ??= new Set();
      this.#tried.add(this.#host);
    }
    this.#host = undefined;
  }

  #upstreamDone(): void {
    this.#upstream = undefined;
    this.#cancelRouteTimeout();
    this.#leaveHost();
  }

  #finishFailed(failure: ReasonCode): void {
    this.#stream.reply(failure);
  }

  onDeadline(kind: number): void {
    if (this.#over) return;
    if (kind === BACKOFF) {
      this.#attempt();
      return;
    }
    const upstream = this.#upstream;
    this.#upstream = undefined;
    if (upstream === undefined) this.#pool?.leave(this);
    else upstream.cancel();
    if (this.#host !== undefined) this.#host.timedOutRequests += 1;
    if (kind === STREAM_DURATION) return this.#onTooLong();
    if (kind === PER_TRY_TIMEOUT || kind === PER_TRY_IDLE) {
      this.#onFailure('per-try-timeout', false);
      return;
    }
    const outlier = this.#cluster?.outlier;
    if (outlier !== undefined && this.#host !== undefined) noteFailure(outlier, this.#host, 'route-timeout');
    this.#leaveHost();
    this.#finishFailed('route-timeout');
  }

  /** How long the exchange may last, whatever moves: the route's limit, or what a gRPC caller asks for and the route allows. */
  #armDuration(action: ForwardAction): void {
    const { manager, record, head } = this.#stream;
    let limitMs = action.maxStreamDurationMs ?? manager.settings.maxStreamDurationMs;
    const capMs = action.maxGrpcTimeoutMs;
    if (record.grpcStatus >= 0 && capMs !== undefined) {
      const askedMs = parseGrpcTimeout(head?.get('grpc-timeout')) ?? capMs;
      const callMs = capMs > 0 && (askedMs === 0 || askedMs > capMs) ? capMs : askedMs;
      if (callMs > 0 && (limitMs === 0 || callMs < limitMs)) limitMs = callMs;
    }
    if (limitMs <= 0) return;
    this.#durationWait = new Deadline(this, STREAM_DURATION);
    manager.timers.arm(this.#durationWait, coarse(limitMs));
  }

  #onTooLong(): void {
    if (this.#stream.record.grpcStatus >= 0)
      this.#stream.reply('max-stream-duration', { grpcStatus: DEADLINE_EXCEEDED });
    else this.#stream.reply('max-stream-duration');
  }

  /** Harmless when all is over already. */
  destroy(): void {
    if (this.#over) return;
    this.#over = true;
    const { manager } = this.#stream;
    if (this.#mirrors !== undefined) for (const one of this.#mirrors) one.onRequestOver();
    this.#mirrors = undefined;
    if (this.#backoff !== undefined) manager.timers.cancel(this.#backoff);
    if (this.#durationWait !== undefined) manager.timers.cancel(this.#durationWait);
    this.#cancelRouteTimeout();
    const upstream = this.#upstream;
    this.#upstream = undefined;
    if (upstream !== undefined) upstream.cancel();
    else this.#pool?.leave(this);
    this.#leaveHost();
    this.#endRetryCount();
    if (this.#countsAsRequest) this.#cluster?.circuit.endRequest();
    this.#countsAsRequest = false;
    this.#kept = undefined;
  }

  #endRetryCount(): void {
    if (this.#countsAsRetry) this.#cluster?.circuit.endRetry();
    this.#countsAsRetry = false;
  }

  #armRouteTimeout(): void {
    const timeoutMs = this.#action?.timeoutMs ?? 0;
    if (timeoutMs <= 0 || this.#responseStarted) return;
    this.#routeWait ??= new Deadline(this, ROUTE_TIMEOUT);
    this.#stream.manager.timers.arm(this.#routeWait, timeoutMs);
  }

  #cancelRouteTimeout(): void {
    if (this.#routeWait !== undefined) this.#stream.manager.timers.cancel(this.#routeWait);
  }

  #armTryTimeouts(): void {
    const policy = this.#action?.retry;
    if (policy === undefined) return;
    const { timers } = this.#stream.manager;
    if (policy.perTryTimeoutMs !== undefined && policy.perTryTimeoutMs > 0) {
      this.#tryWait ??= new Deadline(this, PER_TRY_TIMEOUT);
      timers.arm(this.#tryWait, policy.perTryTimeoutMs);
    }
    if (policy.perTryIdleTimeoutMs !== undefined && policy.perTryIdleTimeoutMs > 0) {
      this.#tryIdle ??= new Deadline(this, PER_TRY_IDLE);
      timers.arm(this.#tryIdle, policy.perTryIdleTimeoutMs);
    }
  }

  #cancelTryTimeouts(): void {
    const { timers } = this.#stream.manager;
    if (this.#tryWait !== undefined) timers.cancel(this.#tryWait);
    if (this.#tryIdle !== undefined) timers.cancel(this.#tryIdle);
  }
}
