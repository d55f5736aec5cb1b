/**
 * The HTTP/2 server behind every proxy: `/N/M` answers N bytes to a body of M, once it has all of it; a gRPC call of
 * `/bench.Echo/N` is answered its own message N times, each written when the former is on its way. Prints its port.
 */
import { createServer, type ServerHttp2Stream } from 'node:http2';

const DEFAULT_BYTES = 1024;
const bodies = new Map<number, Buffer>();

function body(bytes: number): Buffer {
  let made = bodies.get(bytes);
  if (made === undefined) bodies.set(bytes, (made = Buffer.alloc(bytes, 'x')));
  return made;
}

function answer(stream: ServerHttp2Stream, path: string): void {
  const [, bytes = DEFAULT_BYTES, expected = 0] = (/^\/(\d+)(?:\/(\d+))?/.exec(path) ?? []).map(Number);
  let received = 0;
  stream.on('data', (part: Buffer) => (received += part.length));
  stream.on('end', () => {
    // A caller that went away meanwhile.
    if (stream.destroyed) return;
    const whole = received === expected;
    const length = whole ? bytes : 0;
    stream.respond({ ':status': whole ? 200 : 400, 'content-type': 'text/plain', 'content-length': length });
    stream.end(body(length));
  });
}

function echo(stream: ServerHttp2Stream, path: string): void {
  const answers = Number(/\/(\d+)$/.exec(path)?.[1] ?? 1);
  const parts: Buffer[] = [];
  stream.on('data', (part: Buffer) => parts.push(part));
  stream.on('end', () => {
    if (stream.destroyed) return;
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    const message = Buffer.concat(parts);
    let left = answers;
    const next = (): void => {
      if (stream.destroyed) return;
      left -= 1;
      if (left === 0) stream.end(message);
      else stream.write(message, next);
    };
    next();
  });
}

const { HOST = '127.0.0.1', PORT = '0' } = process.env;
const server = createServer({ settings: { maxConcurrentStreams: 1000, initialWindowSize: 1024 * 1024 } });
server.on('sessionError', () => {});
server.on('session', (session) => session.setLocalWindowSize(16 * 1024 * 1024));
server.on('stream', (stream, headers) => {
  stream.on('error', () => {});
  const path = headers[':path'] ?? '/';
  if (headers['content-type']?.startsWith('application/grpc')) echo(stream, path);
  else answer(stream, path);
});
server.listen(Number(PORT), HOST, () => {
  const address = server.address();
  if (typeof address === 'object' && address) process.stdout.write(`${address.port}\n`);
});
