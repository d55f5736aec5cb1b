import type { HeadView } from '../../head/head-view.ts';
import type { ResponseReceiver, UpstreamFailure, UpstreamStream } from '../../http/streams.ts';
import type { WireMeter } from '../../http/wire-meter.ts';
import { CODE, type ErrorCode } from '../frames/constants.ts';
import type { H2Head } from '../h2-head.ts';
import { websocketAccept } from '../websocket-accept.ts';
import { H2Stream } from './h2-stream.ts';
import type { StreamLink } from './stream-link.ts';

/** What an exchange asks of its connection. */
export interface ClientStreamLink extends StreamLink<H2Stream> {
  readonly peerPrincipal: string;
  readonly localAddress: string;
  readonly exchanges: number;
  readonly wasReset: boolean;
  writeRequest(streamId: number, head: HeadView, end: boolean, protocol: string): void;
}

/** One exchange over a connection to an upstream host. */
export class H2ClientStream extends H2Stream implements UpstreamStream {
  declare readonly link: ClientStreamLink;
  readonly peerPrincipal: string;
  readonly localAddress: string;
  reused: boolean;
  #receiver: ResponseReceiver | undefined;
  #anyByte = false;
  #toHead = false;
  #upgrade = '';
  #websocketKey = '';

  constructor(id: number, link: ClientStreamLink, receiver: ResponseReceiver) {
    super(id, link);
    this.peerPrincipal = link.peerPrincipal;
    this.localAddress = link.localAddress;
    this.reused = link.exchanges > 1;
    this.#receiver = receiver;
    this.headSeen = false;
  }

  meter(into: WireMeter): void {
    this.wire = into;
  }

  sendHead(head: HeadView, last: boolean): void {
    if (this.closed) return;
    this.#toHead = head.get(':method') === 'HEAD';
    const upgrade = head.get('upgrade') ?? '';
    if (upgrade === '') {
      this.#writeHead(head, last, '');
      if (last) this.endLocal();
      return;
    }
    this.#upgrade = upgrade;
    if (!this.link.peer.connectProtocol) {
      // The answer must not come before the caller is ready for it.
      setImmediate(() => this.#fail('upstream-protocol-error', 'the upstream takes no upgrades over HTTP/2'));
      return;
    }
    this.#websocketKey = head.get('sec-websocket-key') ?? '';
    this.#writeHead(head, false, upgrade.toLowerCase());
  }

  #writeHead(head: HeadView, last: boolean, protocol: string): void {
    this.link.writeRequest(this.id, head, last, protocol);
    this.wire?.sentHead(this.link.blockSent);
  }

  /** What was put leaves with the turn. */
  flush(): void {}

  pauseResponse(): void {
    this.pause();
  }

  resumeResponse(): void {
    this.resume();
  }

  startTunnel(): void {}

  cancel(): void {
    this.#receiver = undefined;
    this.link.reset(this, CODE.cancel);
  }

  /** @returns why the head can not be, or nothing. */
  takeHead(status: number, head: H2Head, contentLength: number, last: boolean): string {
    this.#anyByte = true;
    this.wire?.receivedHead(this.link.blockReceived);
    const receiver = this.#receiver;
    if (status < 200) {
      if (last || status === 101) return `a response of ${status} that ends or upgrades`;
      receiver?.onInformational(head);
      return '';
    }
    this.headSeen = true;
    const bodyless = this.#toHead || status === 204 || status === 304;
    this.contentLeft = bodyless ? 0 : contentLength;
    if (last && this.contentLeft > 0) return 'content-length without data';
    head.remove('upgrade');
    if (this.#upgrade !== '' && status < 300 && !last) {
      head.set('upgrade', this.#upgrade);
      if (this.#websocketKey !== '') head.set('sec-websocket-accept', websocketAccept(this.#websocketKey));
      this.link.touch(this);
      receiver?.onResponseHead(101, head, false);
      return '';
    }
    if (!last) this.link.touch(this);
    receiver?.onResponseHead(status, head, last);
    if (last) this.headWasAll();
    return '';
  }

  protected onData(buffer: Buffer, start: number, end: number, last: boolean): void {
    this.#receiver?.onResponseData(buffer, start, end, last);
  }

  protected onTrailers(trailers: H2Head): void {
    this.#receiver?.onResponseTrailers(trailers);
  }

  onPause(): void {
    this.#receiver?.onResponsePause();
  }

  onWritable(): void {
    this.#receiver?.onUpstreamWritable();
  }

  onCut(code: ErrorCode, detail: string): void {
    if (code < 0) return this.#fail(this.link.wasReset ? 'upstream-reset' : 'upstream-closed', detail);
    // The upstream chose to: not a connection that was closed while nobody used it.
    this.reused = false;
    this.#fail(code === CODE.refusedStream ? 'upstream-refused-stream' : 'upstream-reset', detail);
  }

  /** The upstream will not look at this one; it can go elsewhere. */
  refuse(detail: string): void {
    this.reused = false;
    this.#fail('upstream-refused-stream', detail);
  }

  onFault(detail: string): void {
    this.#fail('upstream-protocol-error', detail);
  }

  #fail(failure: UpstreamFailure, detail: string): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    if (!this.closed) this.link.reset(this, CODE.cancel);
    receiver?.onUpstreamFailed(failure, detail, this.#anyByte);
  }

  onComplete(): void {
    this.#receiver = undefined;
  }

  protected onLocalEnd(): boolean {
    return false;
  }

  protected onRemoteEnd(): boolean {
    return true;
  }
}
