import type { ReasonCode } from '@weft/contracts';
import type { HeadView } from '../../head/head-view.ts';
import type { WeighExchange } from '../../http/connections.ts';
import type { DownstreamConnection, DownstreamStream, RequestReceiver } from '../../http/streams.ts';
import type { WireMeter } from '../../http/wire-meter.ts';
import { CODE, type ErrorCode } from '../frames/constants.ts';
import type { H2Head } from '../h2-head.ts';
import { H2Stream } from './h2-stream.ts';
import type { StreamLink } from './stream-link.ts';

/** What a request asks of its connection. */
export interface ServerStreamLink extends StreamLink<H2Stream> {
  readonly connection: DownstreamConnection;
  writeResponse(streamId: number, status: number, head: HeadView, end: boolean): void;
}

/** One request of a client and its answer. */
export class H2ServerStream extends H2Stream implements DownstreamStream {
  readonly connection: DownstreamConnection;
  readonly protocol: 'HTTP/1.1' | 'HTTP/2';
  readonly beganMs: number;
  declare readonly link: ServerStreamLink;
  #receiver: RequestReceiver | undefined;
  #toHead = false;
  /** An extended CONNECT (RFC 8441), which everybody above sees as an upgrade. */
  #asUpgrade = false;
  #responseStarted = false;

  constructor(id: number, link: ServerStreamLink, beganMs: number) {
    super(id, link);
    this.connection = link.connection;
    this.protocol = link.carried ? 'HTTP/1.1' : 'HTTP/2';
    this.beganMs = beganMs;
  }

  begin(receiver: RequestReceiver, head: H2Head, endStream: boolean, websocketKey: () => string): void {
    this.#receiver = receiver;
    this.#toHead = head.method?.value === 'HEAD';
    if (endStream) this.headWasAll();
    if (head.protocol !== undefined) this.#presentAsUpgrade(head, websocketKey);
    if (!this.remoteEnded && !this.#asUpgrade) this.link.touch(this);
    receiver.onRequestHead(head, endStream || this.#asUpgrade);
  }

  /** A GET that asks for an upgrade is what routes, filters and HTTP/1.1 know; its bytes wait for the answer. */
  #presentAsUpgrade(head: H2Head, websocketKey: () => string): void {
    const type = head.protocol?.value ?? '';
    this.#asUpgrade = true;
    this.pause();
    head.set(':method', 'GET');
    head.protocol = undefined;
    head.set('upgrade', type);
    if (type === 'websocket' && !head.has('sec-websocket-key')) head.set('sec-websocket-key', websocketKey());
  }

  // What the exchange above writes.

  /** Called while the head that began the exchange is the last block that came. */
  meter(into: WireMeter): void {
    this.wire = into;
    into.receivedHead(this.link.blockReceived);
  }

  sendInformational(head: HeadView): void {
    if (this.closed || this.#responseStarted) return;
    this.#writeHead(Number(head.get(':status')), head, false);
  }

  sendHead(status: number, head: HeadView, end: boolean): void {
    if (this.closed || this.#responseStarted) return;
    this.#responseStarted = true;
    if (status === 101) {
      head.remove('sec-websocket-accept');
      this.#writeHead(200, head, false);
      return;
    }
    if (status === 204 && head.has('content-length')) head.remove('content-length');
    this.#writeHead(status, head, end);
    if (end) this.endLocal();
  }

  #writeHead(status: number, head: HeadView, end: boolean): void {
    this.link.writeResponse(this.id, status, head, end);
    this.wire?.sentHead(this.link.blockSent);
  }

  override sendData(buffer: Buffer, start: number, end: number, last: boolean): void {
    super.sendData(buffer, this.#toHead ? end : start, end, last);
  }

  /** What was put leaves with the turn. */
  flush(): void {}

  pauseRequest(): void {
    this.pause();
  }

  resumeRequest(): void {
    if (!this.#asUpgrade) this.resume();
  }

  startTunnel(): void {
    this.#asUpgrade = false;
    // Not from within: the other side of the tunnel is being set up.
    setImmediate(() => this.resume());
  }

  abort(): void {
    if (this.closed) return;
    this.link.reset(this, CODE.internalError);
    this.#over();
  }

  // What the connection reports.

  protected onData(buffer: Buffer, start: number, end: number, last: boolean): void {
    this.#receiver?.onRequestData(buffer, start, end, last);
  }

  protected onTrailers(trailers: H2Head): void {
    this.#receiver?.onRequestTrailers(trailers);
  }

  onPause(): void {
    this.#receiver?.onRequestPause();
  }

  onWritable(): void {
    this.#receiver?.onDownstreamWritable();
  }

  onCut(code: ErrorCode): void {
    this.#abandon(code < 0 ? 'downstream-closed' : 'downstream-reset');
  }

  /** The connection ends: an answer that has not begun becomes a refusal, one that has is cut. */
  giveUp(): void {
    this.#receiver?.onRequestAborted('drain-deadline');
  }

  weigh(take: WeighExchange): void {
    const receiver = this.#receiver;
    if (receiver === undefined || this.closed) return;
    take(this.heldBytes + (receiver.heldBytes ?? 0), () => {
      if (this.#receiver === receiver) receiver.onRequestAborted('overloaded');
    });
  }

  onFault(): void {
    this.#abandon('http2-protocol-error');
  }

  #abandon(reason: ReasonCode): void {
    this.#receiver?.onRequestAborted(reason);
    this.#over();
  }

  onComplete(): void {
    this.#over();
  }

  protected onLocalEnd(): boolean {
    return true;
  }

  protected onRemoteEnd(): boolean {
    return false;
  }

  #over(): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    receiver?.onExchangeOver();
  }
}
