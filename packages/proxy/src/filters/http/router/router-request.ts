import type { ReasonCode } from '@weft/contracts';
import type { ForwardAction } from '@weft/evaluator';
import type { HeadView } from '../../../head/head-view.ts';
import type { UpstreamFailure, UpstreamStream } from '../../../http/streams.ts';
import type { DeadlineOwner } from '../../../timers/timer-queue.ts';
import type { Cluster } from '../../../upstream/cluster.ts';
import {
  type AttemptOutcome,
  backoffMs,
  isSafeMethod,
  mayAskForRetry,
  resetWaitMs,
} from '../../../upstream/retry/retry-decision.ts';
import type { Outcome } from '../hcm-settings.ts';
import type { MirrorRequest } from '../mirror/mirror-request.ts';
import { Attempts } from './attempts.ts';
import { KeptBody } from './kept-body.ts';
import { durationLimitMs, RequestWaits, WAIT } from './request-waits.ts';
import type { RoutedStream } from './routed-stream.ts';
import { type AttemptOwner, UpstreamAttempt } from './upstream-attempt.ts';
import { rewriteRequest, takeMeshHeaders } from './upstream-head.ts';

const DEADLINE_EXCEEDED = 4;

/** The end of the filter chain: sends the request to a host of the route's cluster, again where that is allowed. */
export class RouterRequest implements AttemptOwner, DeadlineOwner {
  readonly #stream: RoutedStream;
  readonly #outcome: Outcome;
  readonly #action: ForwardAction;
  readonly #cluster: Cluster;
  readonly #attempts: Attempts;
  readonly #attempt: UpstreamAttempt;
  #waits: RequestWaits | undefined;
  #kept: KeptBody | undefined;
  #hasBody = false;
  /** Copies that are on their way while the request is being received. */
  #mirrors: MirrorRequest[] | undefined;
  #freshTryUsed = false;
  #responseStarted = false;
  #over = false;
  /** While the request's own bytes are being handled: what follows them flushes. */
  #starting = false;

  /** @param cluster whose circuit counts the request already. */
  constructor(stream: RoutedStream, outcome: Outcome, action: ForwardAction, cluster: Cluster) {
    this.#stream = stream;
    this.#outcome = outcome;
    this.#action = action;
    this.#cluster = cluster;
    this.#attempts = new Attempts(stream, action.retry, cluster);
    this.#attempt = new UpstreamAttempt(this, stream, outcome, action, cluster);
  }

  start(): void {
    const stream = this.#stream;
    const action = this.#action;
    this.#hasBody = !stream.requestOver;
    if (this.#hasBody && action.retry !== undefined)
      this.#kept = new KeptBody(stream.manager.settings.keptBytes, stream.manager.buffers);
    if (action.hashPolicies.length > 0) this.#attempts.hash(action.hashPolicies);
    const { head } = stream;
    if (head !== undefined) rewriteRequest(stream, head, this.#outcome, action);
    if (action.mirrors.length > 0 && head !== undefined && stream.upgradeType === '' && stream.method !== 'CONNECT')
      this.#mirrors = stream.manager.mirrors.begin(
        action.mirrors,
        head,
        stream.requestOver,
        action.timeoutMs,
        stream.downstream.protocol === 'HTTP/2',
      );
    if (stream.requestOver) this.#armRouteTimeout();
    const limitMs = durationLimitMs(stream, action);
    if (limitMs > 0) this.#waiting().armDuration(limitMs);
    this.#starting = true;
    this.#beginAttempt();
    this.#starting = false;
    if (this.#hasBody && this.#attempt.upstream === undefined && !this.#over) stream.downstream.pauseRequest();
  }

  #beginAttempt(): void {
    const host = this.#attempts.begin();
    if (host === undefined) {
      this.#stream.reply('no-healthy-upstream');
      return;
    }
    this.#armPerTry();
    this.#attempt.begin(host, this.#attempts.count);
  }

  /** For another attempt. */
  get heldBytes(): number {
    return this.#kept?.bytes ?? 0;
  }

  onUpstream(upstream: UpstreamStream, head: HeadView): void {
    const stream = this.#stream;
    upstream.sendHead(head, !this.#hasBody);
    if (!this.#hasBody) return;
    this.#kept?.replay(upstream, stream.requestOver);
    if (!stream.requestOver && !upstream.congested) stream.downstream.resumeRequest();
    if (!this.#starting) upstream.flush();
  }

  onNoUpstream(failure: UpstreamFailure, detail: string): void {
    this.#stream.record.upstreamTransportFailure = detail;
    this.#onFailure(failure, false);
  }

  // The request.

  onRequestData(buffer: Buffer, start: number, end: number, last: boolean): void {
    this.#kept?.keep(buffer, start, end);
    if (this.#mirrors !== undefined) for (const one of this.#mirrors) one.onRequestData(buffer, start, end, last);
    if (last) this.#armRouteTimeout();
    const { upstream } = this.#attempt;
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
    this.#attempt.upstream?.sendTrailers(trailers);
  }

  flush(): void {
    this.#attempt.upstream?.flush();
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
    const attempt = this.#attempt;
    const attempts = this.#attempts;
    const { record } = stream;
    const { settings } = stream.manager;
    const { attemptCountInResponse } = this.#outcome.route;
    const trusted = attempt.upstream?.peerPrincipal !== '' && settings.direction !== 'inbound';
    const meshReason = takeMeshHeaders(head, trusted);
    attempt.onHead(status, head);
    if (this.#retriesAfter(status, head, last, meshReason)) return;
    if (meshReason !== undefined) record.reason = meshReason;
    if (attempts.hashCookie !== '') head.add('set-cookie', attempts.hashCookie);
    this.#responseStarted = true;
    this.#dropKept();
    this.#waits?.cancelPerTry();
    if (!settings.suppressEnvoyHeaders)
      head.set('x-envoy-upstream-service-time', String(Math.max(0, record.upstreamMs)));
    if (attemptCountInResponse) head.set('x-envoy-attempt-count', String(attempts.count));
    if (last) this.#upstreamDone();
    stream.sendUpstreamHead(status, head, last);
    if (status === 101 || (stream.method === 'CONNECT' && status < 300)) this.#tunnel();
    else if (!last && stream.downstream.congested) this.#pauseResponse();
  }

  #retriesAfter(status: number, head: HeadView, last: boolean, meshReason: ReasonCode | undefined): boolean {
    const policy = this.#action.retry;
    if (policy === undefined || !mayAskForRetry(policy, status, head)) return false;
    if (!this.#mayRetry({ kind: 'response', status, head, meshReason })) return false;
    const { rateLimited } = policy;
    const resetMs = rateLimited === undefined ? undefined : resetWaitMs(rateLimited, head, this.#stream.manager);
    if (last) this.#attempt.upstream = undefined;
    this.#leaveHost();
    if (!last) this.#attempt.cancel();
    this.#scheduleRetry(resetMs);
    return true;
  }

  #tunnel(): void {
    this.#waits?.cancelRoute();
    this.#stream.requestOver = false;
    this.#hasBody = true;
    this.#dropKept();
    this.#attempt.upstream?.startTunnel();
    this.#stream.downstream.startTunnel();
  }

  onResponseData(buffer: Buffer, start: number, end: number, last: boolean): void {
    if (last) this.#upstreamDone();
    this.#stream.sendData(buffer, start, end, last);
    if (!last && this.#stream.downstream.congested) this.#pauseResponse();
  }

  #pauseResponse(): void {
    this.#cluster.countPausedReading();
    this.#attempt.upstream?.pauseResponse();
  }

  onResponseTrailers(trailers: HeadView): void {
    this.#attempt.onTrailers(trailers);
    this.#upstreamDone();
    this.#stream.sendTrailers(trailers);
  }

  onResponsePause(): void {
    this.#stream.downstream.flush();
  }

  onDownstreamWritable(): void {
    this.#attempt.upstream?.resumeResponse();
  }

  onUpstreamFailed(failure: UpstreamFailure, detail: string, anyByte: boolean): void {
    const reused = this.#attempt.upstream?.reused === true;
    const stale = reused && !anyByte && failure !== 'upstream-protocol-error';
    this.#attempt.upstream = undefined;
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
      this.#attempts.takeBack();
      this.#beginAttempt();
      return;
    }
    this.#onFailure(failure, anyByte);
  }

  #onFailure(failure: ReasonCode, anyByte: boolean): void {
    if (this.#over) return;
    this.#attempt.onFailed(failure);
    const retry = this.#mayRetry({ kind: 'failure', failure, anyByte });
    this.#leaveHost();
    if (retry) this.#scheduleRetry(undefined);
    else this.#stream.reply(failure);
  }

  // Another attempt.

  #mayRetry(outcome: AttemptOutcome): boolean {
    if (this.#kept?.complete === false || this.#stream.upgradeType !== '') return false;
    return this.#attempts.mayRetry(outcome);
  }

  /** @param resetMs a wait that the upstream asked for. */
  #scheduleRetry(resetMs: number | undefined): void {
    const policy = this.#action.retry;
    if (policy === undefined) return;
    const attempts = this.#attempts;
    attempts.retries += 1;
    if (this.#hasBody && !this.#stream.requestOver) this.#stream.downstream.pauseRequest();
    this.#waiting().armBackoff(resetMs ?? backoffMs(policy, attempts.retries, this.#stream.manager.random));
  }

  // Waits.

  #waiting(): RequestWaits {
    return (this.#waits ??= new RequestWaits(this, this.#stream.manager.timers));
  }

  #armRouteTimeout(): void {
    const { timeoutMs } = this.#action;
    if (timeoutMs > 0 && !this.#responseStarted) this.#waiting().armRoute(timeoutMs);
  }

  #armPerTry(): void {
    const policy = this.#action.retry;
    if (policy === undefined) return;
    const { perTryTimeoutMs = 0, perTryIdleTimeoutMs = 0 } = policy;
    if (perTryTimeoutMs > 0) this.#waiting().armPerTry(perTryTimeoutMs);
    if (perTryIdleTimeoutMs > 0) this.#waiting().armPerTryIdle(perTryIdleTimeoutMs);
  }

  onDeadline(kind: number): void {
    if (this.#over) return;
    if (kind === WAIT.backoff) {
      this.#beginAttempt();
      return;
    }
    const attempt = this.#attempt;
    attempt.onTimeout();
    if (kind === WAIT.duration) return this.#onTooLong();
    if (kind === WAIT.perTry || kind === WAIT.perTryIdle) {
      this.#onFailure('per-try-timeout', false);
      return;
    }
    attempt.noteFailure('route-timeout');
    this.#leaveHost();
    this.#stream.reply('route-timeout');
  }

  #onTooLong(): void {
    if (this.#stream.record.grpcStatus >= 0)
      this.#stream.reply('max-stream-duration', { grpcStatus: DEADLINE_EXCEEDED });
    else this.#stream.reply('max-stream-duration');
  }

  // Ends.

  /** The host is done with this attempt; it counts as tried. */
  #leaveHost(): void {
    this.#waits?.cancelPerTry();
    const host = this.#attempt.leave();
    if (host !== undefined) this.#attempts.onHostLeft(host);
  }

  #upstreamDone(): void {
    this.#attempt.upstream = undefined;
    this.#waits?.cancelRoute();
    this.#leaveHost();
  }

  /** Harmless when all is over already. */
  destroy(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#mirrors !== undefined) for (const one of this.#mirrors) one.onRequestOver();
    this.#mirrors = undefined;
    this.#waits?.close();
    this.#attempt.cancel();
    this.#leaveHost();
    this.#attempts.end();
    this.#cluster.circuit.endRequest();
    this.#dropKept();
  }

  #dropKept(): void {
    this.#kept?.release();
    this.#kept = undefined;
  }
}
