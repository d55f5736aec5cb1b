// Node's own HTTP/2 (nghttp2) as a server that answers nothing, over connections in memory.
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { Duplex } from 'node:stream';
import { CODE, FRAME } from '../../../http2/frames/constants.ts';
import { readFrames } from '../targets/frames.ts';
import type { Line } from './http1.ts';

export interface H2Request {
  /** Pseudo-headers too, as they came. */
  readonly lines: readonly Line[];
  trailers: readonly Line[];
  body: number;
  ended: boolean;
}

export interface H2Reading {
  /** Error code of GOAWAY; -1 while the connection lives. */
  readonly goaway: number;
  readonly requests: ReadonlyMap<number, H2Request>;
  /** Error code of RST_STREAM by stream. */
  readonly resets: ReadonlyMap<number, number>;
}

/** What a side wrote says of what it made of the input. */
export function verdictOf(written: Buffer): Pick<H2Reading, 'goaway' | 'resets'> {
  let goaway = -1;
  const resets = new Map<number, number>();
  for (const { type, streamId, payload } of readFrames(written)) {
    if (type === FRAME.goaway && payload.readUInt32BE(4) !== 0) goaway = payload.readUInt32BE(4);
    else if (type === FRAME.rstStream) resets.set(streamId, payload.readUInt32BE(0));
  }
  return { goaway, resets };
}

const pairs = (raw: readonly string[]): Line[] =>
  Array.from({ length: raw.length / 2 }, (_, i): Line => [raw[2 * i] ?? '', raw[2 * i + 1] ?? '']);

export class NodeHttp2Server {
  readonly #server: Http2Server;

  constructor() {
    this.#server = createServer({ settings: { enableConnectProtocol: true } });
    this.#server.on('sessionError', () => {});
  }

  /** @returns asks for what came of it, a few turns of the event loop later, and ends it. */
  begin(input: Buffer): () => H2Reading {
    const written: Buffer[] = [];
    const wire = new Duplex({
      read: () => {},
      write: (chunk: Buffer, _encoding, done) => {
        written.push(Buffer.from(chunk));
        done();
      },
    });
    wire.on('error', () => {});
    const requests = new Map<number, H2Request>();
    // Of what nghttp2 itself gives up on, the peer is told later, if at all.
    let failed = false;
    this.#server.once('session', (session: ServerHttp2Session) => {
      session.on('error', () => (failed = true));
      // The last argument is not among the types.
      session.on('stream', (...args: unknown[]) => {
        const stream = args[0] as ServerHttp2Stream;
        requests.set(stream.id ?? 0, watch(stream, pairs(args[3] as string[])));
      });
    });
    this.#server.emit('connection', wire);
    wire.push(Buffer.from(input));
    return () => {
      const { goaway, resets } = verdictOf(Buffer.concat(written));
      wire.destroy();
      return { goaway: goaway < 0 && failed ? CODE.internalError : goaway, resets, requests };
    };
  }

  close(): void {
    this.#server.close();
  }
}

function watch(stream: ServerHttp2Stream, lines: readonly Line[]): H2Request {
  const request: H2Request = { lines, trailers: [], body: 0, ended: false };
  stream.on('error', () => {});
  stream.on('data', (chunk: Buffer) => (request.body += chunk.length));
  stream.on('end', () => (request.ended = true));
  stream.on('trailers', (...args: unknown[]) => (request.trailers = pairs(args[2] as string[])));
  return request;
}
