import type { HeadView } from '../head/head-view.ts';
import type { WireMeter } from '../http/wire-meter.ts';
import type { SocketWriter } from '../sockets/socket-writer.ts';
import { writeBody } from './body-writer.ts';
import { type ResponseFraming, responseHeadText, trailersText } from './head-writer.ts';

const NO_FRAMING: ResponseFraming = { chunked: false, connection: '', zeroLength: false };
const UPGRADE: ResponseFraming = { chunked: false, connection: 'upgrade', zeroLength: false };

/** What a head makes of its connection: bytes without framing from now on, one more request, or none. */
export type AfterHead = 'tunnel' | 'stays' | 'closes';

/** Writes the answers of one client connection, each framed as its request and its own head want it (RFC 9112 §6). */
export class AnswerWriter {
  /** Its head was written. */
  started = false;
  over = false;
  /** The client takes trailers. */
  takesTrailers = false;
  /** A client of HTTP/1.0 asked for it, and must be told. */
  keepAlive10 = false;
  /** Of the exchange in progress, both ways. */
  meter: WireMeter | undefined;
  readonly #writer: SocketWriter;
  #isHttp10 = false;
  #toHead = false;
  #toConnect = false;
  #chunked = false;
  /** The answer has no body, whatever its head says. */
  #bodyless = false;
  #writtenBefore = 0;

  constructor(writer: SocketWriter) {
    this.#writer = writer;
  }

  /** Of the next request. */
  begin(method: string, isHttp10: boolean): void {
    this.restart();
    this.#isHttp10 = isHttp10;
    this.#toHead = method === 'HEAD';
    this.#toConnect = method === 'CONNECT';
    this.#chunked = false;
    this.#bodyless = false;
  }

  /** Another answer takes the place of the one that was to come. */
  restart(): void {
    this.started = false;
    this.over = false;
  }

  count(into: WireMeter): void {
    this.meter = into;
    this.#writtenBefore = this.#writer.total;
  }

  /** The exchange is over. */
  settle(): void {
    if (this.meter !== undefined) this.meter.sent = this.#writer.total - this.#writtenBefore;
    this.meter = undefined;
  }

  informational(head: HeadView): void {
    if (this.#isHttp10 || this.started) return;
    this.#writer.text(responseHeadText(Number(head.get(':status')), head, NO_FRAMING));
    this.#writer.flush();
  }

  /** @param end no body follows. @param closes the connection ends with this answer anyway. */
  head(status: number, head: HeadView, end: boolean, closes: boolean): AfterHead {
    this.started = true;
    if (status === 101) {
      this.#put(responseHeadText(status, head, UPGRADE));
      return 'tunnel';
    }
    if (this.#toConnect && status >= 200 && status < 300) {
      this.#put(responseHeadText(status, head, NO_FRAMING));
      return 'tunnel';
    }
    const bodyless = this.#toHead || status === 204 || status === 304;
    this.#bodyless = bodyless;
    const hasLength = head.has('content-length');
    if (status === 204 && hasLength) head.remove('content-length');
    const unframed = !bodyless && !hasLength && !end;
    this.#chunked = unframed && !this.#isHttp10;
    // What a client sent behind a CONNECT that failed was for somebody else.
    const last = closes || this.#toConnect || (unframed && this.#isHttp10);
    this.#put(
      responseHeadText(status, head, {
        chunked: this.#chunked,
        connection: last ? 'close' : this.keepAlive10 ? 'keep-alive' : '',
        zeroLength: end && !bodyless && !hasLength,
      }),
    );
    return last ? 'closes' : 'stays';
  }

  #put(text: string): void {
    this.#writer.text(text);
    if (this.meter !== undefined) this.meter.headSent += text.length;
  }

  data(buffer: Buffer, start: number, end: number, last: boolean): void {
    // Bytes behind the head of an answer without a body would be read as the next answer.
    if (!this.#bodyless) writeBody(this.#writer, buffer, start, end, this.#chunked);
    if (last) this.#endBody(undefined);
  }

  trailers(trailers: HeadView): void {
    this.#endBody(this.takesTrailers ? trailers : undefined);
  }

  #endBody(trailers: HeadView | undefined): void {
    if (this.#chunked) this.#writer.text(trailersText(trailers));
  }
}
