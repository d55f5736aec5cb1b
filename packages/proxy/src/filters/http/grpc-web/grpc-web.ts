import { GrpcWebSchema } from '@weft/contracts/lean/envoy/extensions/filters/http/grpc_web/v3/grpc_web';
import type { HeadView } from '../../../head/head-view.ts';
import { isGrpcType, NO_GRPC_STATUS } from '../grpc.ts';
import type { FilterStatus, FilterStream, HttpFilter, HttpFilterFactory } from '../http-filter.ts';
import { Base64Stream } from './base64-stream.ts';

const WEB = /^application\/grpc-web(-text)?(\+[^;]+)?(;.*)?$/i;
const TEXT_ACCEPTED = /application\/grpc-web-text/i;
const TRAILERS_FLAG = 0x80;
const FRAME_HEAD_BYTES = 5;
const EMPTY = Buffer.alloc(0);

/** One call of a browser while it is carried. */
interface WebCall {
  /** Message format, with its plus sign; empty when none was named. */
  readonly format: string;
  readonly decoder: Base64Stream | undefined;
  /** The answer goes out in base64, too. */
  readonly textAnswer: boolean;
  /** What this piece of the request decoded to. */
  decoded: Buffer;
  /** The upstream answered in gRPC, so that the answer is translated. */
  translating: boolean;
}

/**
 * gRPC for browsers, which can neither send HTTP/2 frames nor read trailers: bodies may be base64, and what stands in
 * trailers becomes a last frame of the body.
 */
class GrpcWebFilter implements HttpFilter {
  readonly name = 'envoy.filters.http.grpc_web';
  readonly #slot: number;

  constructor(slot: number) {
    this.#slot = slot;
  }

  onRequestHead(stream: FilterStream, head: HeadView): FilterStatus {
    const match = WEB.exec(head.get('content-type') ?? '');
    if (match === null) return 'continue';
    const [, text, format = ''] = match;
    const accept = head.get('accept');
    const call: WebCall = {
      format,
      decoder: text === undefined ? undefined : new Base64Stream(),
      textAnswer: accept === undefined || accept === '*/*' ? text !== undefined : TEXT_ACCEPTED.test(accept),
      decoded: EMPTY,
      translating: false,
    };
    stream.slots[this.#slot] = call;
    head.set('content-type', `application/grpc${format}`);
    head.set('te', 'trailers');
    head.set('grpc-accept-encoding', 'identity');
    head.remove('content-length');
    stream.record.grpcStatus = NO_GRPC_STATUS;
    return 'continue';
  }

  onRequestData(stream: FilterStream, buffer: Buffer, start: number, end: number, last: boolean): FilterStatus {
    const call = this.#callOf(stream);
    if (call?.decoder === undefined) return 'continue';
    const decoded = call.decoder.decode(buffer, start, end, last);
    if (decoded === undefined) {
      stream.reply('bad-request', { details: 'grpc_base_64_decode_failed' });
      return 'replied';
    }
    call.decoded = decoded;
    return 'continue';
  }

  replaceRequestData(stream: FilterStream): Buffer | undefined {
    const call = this.#callOf(stream);
    return call?.decoder === undefined ? undefined : call.decoded;
  }

  onResponseHead(stream: FilterStream, head: HeadView): FilterStatus {
    const call = this.#callOf(stream);
    if (call === undefined || !isGrpcType(head.get('content-type'))) return 'continue';
    call.translating = true;
    head.set('content-type', `application/grpc-web${call.textAnswer ? '-text' : ''}${call.format}`);
    head.remove('content-length');
    head.remove('trailer');
    return 'continue';
  }

  replaceResponseData(stream: FilterStream, buffer: Buffer, start: number, end: number): Buffer | undefined {
    const call = this.#callOf(stream);
    if (call === undefined || !call.translating || !call.textAnswer) return undefined;
    return Buffer.from(buffer.toString('base64', start, end), 'latin1');
  }

  replaceResponseTrailers(stream: FilterStream, trailers: HeadView): Buffer | undefined {
    const call = this.#callOf(stream);
    if (call === undefined || !call.translating) return undefined;
    const frame = trailersFrame(trailers);
    return call.textAnswer ? Buffer.from(frame.toString('base64'), 'latin1') : frame;
  }

  #callOf(stream: FilterStream): WebCall | undefined {
    return stream.slots[this.#slot] as WebCall | undefined;
  }
}

/** A frame like a message's whose flag says that its bytes are fields. */
function trailersFrame(trailers: HeadView): Buffer {
  let text = '';
  trailers.forEach((name, value) => {
    text += `${name.toLowerCase()}: ${value}\r\n`;
  });
  const frame = Buffer.alloc(FRAME_HEAD_BYTES + text.length);
  frame[0] = TRAILERS_FLAG;
  frame.writeUInt32BE(text.length, 1);
  frame.write(text, FRAME_HEAD_BYTES, 'latin1');
  return frame;
}

export const grpcWebFilter: HttpFilterFactory<undefined> = {
  typeName: GrpcWebSchema.typeName,
  parse: () => undefined,
  compile: (_, __, slot) => new GrpcWebFilter(slot),
};
