// Applications that book every request that reached them whole, under its path. How often one began is booked, too.
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { readBody, tcpUpstream, type TestServer } from './upstream.ts';

/** What a request is like, and its answer: GET · POST with a length, 103 first · POST in chunks, 103 first; both with trailers. */
export type Shape = 'get' | 'sized' | 'chunked';
export const SHAPES: readonly Shape[] = ['get', 'sized', 'chunked'];

export const BODY = 'a body of some length';
export const answerTo = (path: string): string => `booked ${path}`;
const HINT = '</style.css>; rel=preload; as=style';

export class Books {
  readonly #begun = new Map<string, number>();
  readonly #booked = new Map<string, number>();

  begin(path: string): void {
    this.#begun.set(path, this.begun(path) + 1);
  }
  book(path: string): void {
    this.#booked.set(path, this.booked(path) + 1);
  }
  begun(path: string): number {
    return this.#begun.get(path) ?? 0;
  }
  booked(path: string): number {
    return this.#booked.get(path) ?? 0;
  }
}

const shapeOf = (method: string | undefined, length: string | undefined): Shape =>
  method === 'GET' ? 'get' : length === undefined ? 'chunked' : 'sized';
const bodyOf = (shape: Shape): string => (shape === 'get' ? '' : BODY);

export function http1BookingApp(books: Books): Promise<TestServer> {
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    const path = request.url ?? '';
    const shape = shapeOf(request.method, request.headers['content-length']);
    books.begin(path);
    void readBody(request).then(
      (body) => {
        if (!request.complete || body !== bodyOf(shape)) return response.destroy();
        books.book(path);
        if (shape !== 'get') response.writeEarlyHints({ link: HINT });
        const answer = answerTo(path);
        if (shape !== 'chunked') return response.setHeader('content-length', answer.length).end(answer);
        response.setHeader('trailer', 'x-sum').write(answer.slice(0, 6));
        response.write(answer.slice(6));
        response.addTrailers({ 'x-sum': '1' });
        return response.end();
      },
      () => response.destroy(),
    );
  };
  const http = createHttp(serve);
  // A request that is cut gets no answer of its own.
  http.on('clientError', (_, socket) => socket.destroy());
  return tcpUpstream((socket) => {
    socket.setNoDelay(true);
    http.emit('connection', socket);
  });
}

export function http2BookingApp(books: Books): Promise<TestServer> {
  const serve = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders & { readonly ':path'?: string }): void => {
    const path = headers[':path'] ?? '';
    const shape = shapeOf(String(headers[':method']), headers['content-length']);
    books.begin(path);
    let body = '';
    stream.on('error', () => {});
    stream.setEncoding('utf8').on('data', (text: string) => (body += text));
    stream.on('end', () => {
      if (stream.aborted || stream.destroyed || body !== bodyOf(shape)) return;
      books.book(path);
      if (shape !== 'get') stream.additionalHeaders({ ':status': 103, link: HINT });
      const answer = answerTo(path);
      if (shape !== 'chunked') {
        stream.respond({ ':status': 200, 'content-length': answer.length });
        return stream.end(answer);
      }
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '1' }));
      stream.write(answer.slice(0, 6));
      return stream.end(answer.slice(6));
    });
  };
  const http2 = createHttp2();
  http2.on('stream', serve);
  http2.on('sessionError', () => {});
  return tcpUpstream((socket) => {
    socket.setNoDelay(true);
    // As its own listener has it: a side that ended is the end of both.
    socket.on('end', () => socket.end());
    http2.emit('connection', socket);
  });
}
