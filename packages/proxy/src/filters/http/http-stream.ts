import { PEER_METADATA, type ReasonCode } from '@weft/contracts';
import { capture, type LogWants } from '../../access-log/captures.ts';
import { localReply } from '../../failures.ts';
import { FieldsHead } from '../../head/fields-head.ts';
import type { HeadView } from '../../head/head-view.ts';
import { cleanTrailers } from '../../head/trailers.ts';
import type { DownstreamStream, RequestReceiver } from '../../http/streams.ts';
import { WireMeter } from '../../http/wire-meter.ts';
import type { TraceSpan } from '../../ports.ts';
import { RequestRecord } from '../../request-record.ts';
import { flagBit } from '../../response-flags.ts';
import { Deadline } from '../../timers/timer-queue.ts';
import { GrpcMessages } from './grpc-messages.ts';
import { isGrpcType, NO_GRPC_STATUS, readGrpcStatus } from './grpc.ts';
import { applyEdits } from './header-edits.ts';
import type { HcmRoutes, Outcome } from './hcm-settings.ts';
import { localAnswer } from './local-answer.ts';
import type { ManagerContext } from './manager-context.ts';
import { checkAndPrepare, type PreparedStream } from './prepare-request.ts';
import type { HttpFilter, ReplyOptions } from './http-filter.ts';
import { admitRequest } from './router/admit-request.ts';
import type { RouterRequest } from './router/router-request.ts';
import type { RoutedStream } from './router/routed-stream.ts';

const STREAM_IDLE = 0;
const REQUEST_TIMEOUT = 1;
const NO_PRINCIPALS: readonly string[] = [];

/** One request on its way through the filters, with the configuration it began under. */
export class HttpStream implements RequestReceiver, RoutedStream, PreparedStream {
  readonly manager: ManagerContext;
  readonly downstream: DownstreamStream;
  readonly record = new RequestRecord();
  readonly routes: HcmRoutes;
  /** What the log asked for when the request began. */
  readonly wants: LogWants | undefined;
  /** State of filters, by their slot. */
  readonly slots: unknown[] = [];
  boundTo = '';
  boundStrictly = false;
  outcome: Outcome | undefined;
  /** Cluster of the outcome, once routed. */
  clusterName = '';
  head: HeadView | undefined;

  // Facts that routing and authorization read.
  method = '';
  path = '';
  query = '';
  authority = '';
  scheme = 'http';
  remoteIp = '';

  /** The whole request is here. */
  requestOver = false;
  upgradeType = '';
  #chain: readonly HttpFilter[] = [];
  #at = 0;
  #pending = false;
  #router: RouterRequest | undefined;
  #responseStarted = false;
  #responseOver = false;
  #over = false;
  #span: TraceSpan | undefined;
  #requestMessages: GrpcMessages | undefined;
  #responseMessages: GrpcMessages | undefined;
  readonly #idle: Deadline;
  #requestWait: Deadline | undefined;
  idleTimeoutMs: number;
  /** Statistics slot of the chosen host; -1 until one is. */
  statsSlot = -1;

  constructor(manager: ManagerContext, downstream: DownstreamStream) {
    this.manager = manager;
    this.downstream = downstream;
    this.routes = manager.routes;
    this.idleTimeoutMs = manager.settings.streamIdleTimeoutMs;
    this.#idle = new Deadline(this, STREAM_IDLE);
    this.wants = manager.accessLog?.wants;
    if (this.wants?.wire === true) {
      this.record.downstreamWire = new WireMeter();
      downstream.meter(this.record.downstreamWire);
    }
  }

  // Facts.

  header(nameLower: string): string | undefined {
    return this.head?.get(nameLower);
  }
  headerLines(nameLower: string): readonly string[] {
    const lines: string[] = [];
    this.head?.forEach((name, value) => {
      if (name.length === nameLower.length && name.toLowerCase() === nameLower) lines.push(value);
    });
    return lines;
  }
  requestHeader(name: string): string | undefined {
    return this.head?.get(name);
  }
  get principals(): readonly string[] {
    const { peerPrincipal } = this.downstream.connection;
    return peerPrincipal === '' ? NO_PRINCIPALS : [peerPrincipal];
  }
  get clientCertificate(): 'none' | 'validated' {
    return this.downstream.connection.peerFingerprint === '' ? 'none' : 'validated';
  }
  get directRemoteIp(): string {
    return this.downstream.connection.directAddress;
  }
  get destinationIp(): string {
    return this.downstream.connection.localAddress;
  }
  get destinationPort(): number {
    return this.downstream.connection.localPort;
  }
  get requestedServerName(): string {
    return this.downstream.connection.requestedServerName;
  }
  metadata(filter: string, [key]: readonly string[]): unknown {
    return filter === PEER_METADATA && key === 'workload' ? this.downstream.connection.peerWorkload : undefined;
  }

  // The request.

  onRequestHead(head: HeadView, last: boolean): void {
    const { manager } = this;
    this.head = head;
    this.requestOver = last;
    this.touch();
    if (!last && manager.settings.requestTimeoutMs > 0) {
      this.#requestWait = new Deadline(this, REQUEST_TIMEOUT);
      manager.timers.arm(this.#requestWait, manager.settings.requestTimeoutMs);
    }
    const refused = checkAndPrepare(this, head);
    if (refused !== undefined) {
      if (refused !== 'replied') this.reply(refused);
      return;
    }
    if (last) this.record.requestEndMs = 0;
    if (manager.overload.shedding) {
      manager.count('downstream_rq_overload_close');
      this.reply('overloaded');
      return;
    }
    const outcome = this.routes.table?.route(this, manager.random);
    this.outcome = outcome;
    if (outcome !== undefined) {
      this.clusterName = outcome.clusterHeader === '' ? outcome.cluster : (head.get(outcome.clusterHeader) ?? '');
      this.record.routeName = outcome.route.name;
      this.record.cluster = this.clusterName;
      this.record.operation = outcome.route.operation;
      const { decision } = outcome.route;
      if (decision.kind === 'forward' && decision.idleTimeoutMs !== undefined) {
        this.idleTimeoutMs = decision.idleTimeoutMs;
        this.touch();
      }
    }
    if (isGrpcType(head.get('content-type'))) this.record.grpcStatus = NO_GRPC_STATUS;
    const { tracing } = manager.settings;
    if (tracing !== undefined) this.#span = manager.tracer?.start(head, this.record, tracing);
    this.#chain =
      outcome === undefined
        ? this.routes.unroutedChain
        : (this.routes.chains[outcome.index] ?? this.routes.unroutedChain);
    this.#at = 0;
    this.#runRequestHead();
  }

  #runRequestHead(): void {
    const head = this.head;
    const chain = this.#chain;
    while (this.#at < chain.length && head !== undefined) {
      const filter = chain[this.#at];
      this.#at += 1;
      const status = filter?.onRequestHead?.(this, head) ?? 'continue';
      if (status === 'replied' || this.#over) return;
      if (status === 'pending') {
        this.#pending = true;
        if (!this.requestOver) this.downstream.pauseRequest();
        return;
      }
    }
    this.#route();
  }

  /** A filter that answered `pending` is done. */
  resume(): void {
    if (!this.#pending || this.#over) return;
    this.#pending = false;
    this.touch();
    this.#runRequestHead();
    this.#router?.flush();
  }

  #route(): void {
    const outcome = this.outcome;
    if (outcome === undefined) {
      this.reply(this.routes.table === undefined ? 'config-not-ready' : 'no-route');
      return;
    }
    if (!this.requestOver && !this.manager.settings.forwardContinue) this.#sayContinue();
    this.#router = admitRequest(this, outcome);
    this.#router?.start();
  }

  /** Only now: a client whose request a filter refuses need not send the body. */
  #sayContinue(): void {
    if (this.head?.get('expect')?.toLowerCase() !== '100-continue') return;
    this.head.remove('expect');
    this.downstream.sendInformational(FieldsHead.response(100));
  }

  onRequestData(buffer: Buffer, start: number, end: number, last: boolean): void {
    this.record.requestBytes += end - start;
    if (last) this.#onRequestEnd();
    this.touch();
    if (this.#responseOver) return;
    let bytes = buffer;
    let from = start;
    let to = end;
    for (const filter of this.#chain) {
      if (filter.onRequestData !== undefined && filter.onRequestData(this, bytes, from, to, last) === 'replied') return;
      const replaced = filter.replaceRequestData?.(this, bytes, from, to, last);
      if (replaced === undefined) continue;
      bytes = replaced;
      from = 0;
      to = replaced.length;
    }
    // Behind the filters: gRPC-Web has become gRPC.
    if (this.record.grpcStatus >= 0) (this.#requestMessages ??= new GrpcMessages()).take(bytes, from, to);
    this.#router?.onRequestData(bytes, from, to, last);
  }

  onRequestTrailers(trailers: HeadView): void {
    this.#onRequestEnd();
    this.touch();
    if (this.#responseOver) return;
    cleanTrailers(trailers);
    for (const filter of this.#chain) if (filter.onRequestTrailers?.(this, trailers) === 'replied') return;
    this.#router?.onRequestTrailers(trailers);
  }

  #onRequestEnd(): void {
    this.requestOver = true;
    this.record.requestEndMs = this.manager.timers.now() - this.record.startMs;
    this.#cancelRequestWait();
  }

  onRequestPause(): void {
    this.#router?.flush();
  }

  onDownstreamWritable(): void {
    this.touch();
    this.#router?.onDownstreamWritable();
  }

  onRequestAborted(reason: ReasonCode): void {
    if (this.#responseOver || this.#over) return;
    const gone = localReply(reason).status === 0;
    if (gone || this.#responseStarted) {
      this.#note(reason);
      this.#router?.destroy();
      if (!gone) this.downstream.abort();
      return;
    }
    this.reply(reason);
  }

  // The response.

  /** An upstream answered. */
  sendUpstreamHead(status: number, head: HeadView, last: boolean): void {
    const { record } = this;
    record.code = status;
    if (record.details === '') record.details = 'via_upstream';
    this.#sendHead(status, head, last);
  }

  #sendHead(status: number, head: HeadView, last: boolean): void {
    const { manager, outcome } = this;
    this.#responseStarted = true;
    this.record.code = status;
    if (this.record.grpcStatus >= 0) this.record.grpcStatus = readGrpcStatus(head.get('grpc-status'));
    manager.finishResponseHead(head, this.record);
    if (outcome !== undefined && outcome.responseMutations.length > 0)
      applyEdits(outcome.responseMutations, head, this);
    const chain = this.#chain;
    for (let i = chain.length - 1; i >= 0; i -= 1) chain[i]?.onResponseHead?.(this, head);
    if (last) this.#responseOver = true;
    const { wants } = this;
    if (wants !== undefined && wants.response.length > 0) this.record.responseHeaders = capture(wants.response, head);
    this.touch();
    this.downstream.sendHead(status, head, last);
  }

  sendData(buffer: Buffer, start: number, end: number, last: boolean): void {
    this.record.responseBytes += end - start;
    if (this.record.grpcStatus >= 0) (this.#responseMessages ??= new GrpcMessages()).take(buffer, start, end);
    this.touch();
    let bytes = buffer;
    let from = start;
    let to = end;
    for (let i = this.#chain.length - 1; i >= 0; i -= 1) {
      const filter = this.#chain[i];
      filter?.onResponseData?.(this, bytes, from, to, last);
      const replaced = filter?.replaceResponseData?.(this, bytes, from, to, last);
      if (replaced === undefined) continue;
      bytes = replaced;
      from = 0;
      to = replaced.length;
    }
    if (last) this.#responseOver = true;
    this.downstream.sendData(bytes, from, to, last);
  }

  sendTrailers(trailers: HeadView): void {
    this.touch();
    cleanTrailers(trailers);
    if (this.record.grpcStatus >= 0) this.record.grpcStatus = readGrpcStatus(trailers.get('grpc-status'));
    let data: Buffer | undefined;
    for (let i = this.#chain.length - 1; i >= 0; i -= 1) {
      this.#chain[i]?.onResponseTrailers?.(this, trailers);
      data ??= this.#chain[i]?.replaceResponseTrailers?.(this, trailers);
    }
    this.#responseOver = true;
    if (this.wants !== undefined) this.record.responseTrailers = capture(this.wants.trailers, trailers);
    if (data !== undefined) return this.downstream.sendData(data, 0, data.length, true);
    this.downstream.sendTrailers(trailers);
  }

  /** The proxy answers in the place of an upstream. */
  reply(reason: ReasonCode, options: ReplyOptions = {}): void {
    if (this.#responseStarted) {
      this.cut(reason);
      return;
    }
    const row = localReply(reason);
    const { record } = this;
    record.flags |= row.flags;
    record.details = options.details ?? row.details;
    this.#router?.destroy();
    if (!options.silent) record.reason = reason;
    const answer = localAnswer(reason, options, isGrpcType(this.head?.get('content-type')));
    if (answer.text !== undefined) record.localReply = answer.text;
    const { status, head, body } = answer;
    const empty = body.length === 0 || this.method === 'HEAD';
    this.#sendHead(status, head, empty);
    if (!empty) this.sendData(body, 0, body.length, true);
  }

  /** The response can not be finished: the client must see that it was cut. */
  cut(reason: ReasonCode): void {
    if (this.#over || this.#responseOver) return;
    this.#note(reason);
    this.#router?.destroy();
    this.downstream.abort();
  }

  #note(reason: ReasonCode): void {
    const row = localReply(reason);
    this.record.flags |= row.flags;
    this.record.reason = reason;
    if (this.record.details === '' || this.record.details === 'via_upstream') this.record.details = row.details;
  }

  // Time and the end.

  /** Something moved: the idle timeout starts anew. */
  touch(): void {
    if (this.#over) return;
    if (this.idleTimeoutMs > 0) this.manager.timers.arm(this.#idle, this.idleTimeoutMs);
    else this.manager.timers.cancel(this.#idle);
  }

  onDeadline(kind: number): void {
    if (this.#over) return;
    if (this.#responseStarted) return this.cut('stream-idle-timeout');
    this.reply(kind === REQUEST_TIMEOUT ? 'request-idle-timeout' : 'stream-idle-timeout');
  }

  onExchangeOver(): void {
    if (this.#over) return;
    this.#over = true;
    this.manager.timers.cancel(this.#idle);
    this.#cancelRequestWait();
    this.#router?.destroy();
    const { record, manager } = this;
    record.durationMs = manager.timers.now() - record.startMs;
    if (record.grpcStatus >= 0) {
      record.requestMessages = this.#requestMessages?.count ?? 0;
      record.responseMessages = this.#responseMessages?.count ?? 0;
    }
    for (const filter of this.#chain) filter.onDestroy?.(this);
    if (this.wants !== undefined && this.head !== undefined)
      record.requestHeaders = capture(this.wants.request, this.head);
    this.#span?.finish(record);
    manager.exchangeOver(record, this.statsSlot);
  }

  #cancelRequestWait(): void {
    if (this.#requestWait !== undefined) this.manager.timers.cancel(this.#requestWait);
  }

  get heldBytes(): number {
    return this.#router?.heldBytes ?? 0;
  }

  /** Marks a response flag. */
  flag(name: Parameters<typeof flagBit>[0]): void {
    this.record.flags |= flagBit(name);
  }

  get responseStarted(): boolean {
    return this.#responseStarted;
  }
}
