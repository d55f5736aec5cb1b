/** The HTTP/2 server behind every proxy: `/N` answers N bytes; a gRPC request is answered its own bytes. Prints its port. */
import { createServer, type ServerHttp2Stream } from 'node:http2';

const DEFAULT_BYTES = 1024;
const bodies = new Map<number, Buffer>();

function body(bytes: number): Buffer {
  let made = bodies.get(bytes);
  if (made === undefined) bodies.set(bytes, (made = Buffer.alloc(bytes, 'x')));
  return made;
}

function echo(stream: ServerHttp2Stream): void {
  const parts: Buffer[] = [];
  stream.on('data', (part: Buffer) => parts.push(part));
  stream.on('end', () => {
    // A caller that went away meanwhile.
    if (stream.destroyed) return;
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.concat(parts));
  });
}

const { HOST = '127.0.0.1', PORT = '0' } = process.env;
const server = createServer({ settings: { maxConcurrentStreams: 1000 } });
server.on('sessionError', () => {});
server.on('stream', (stream, headers) => {
  stream.on('error', () => {});
  if (headers['content-type']?.startsWith('application/grpc')) return echo(stream);
  const bytes = Number(/^\/(\d+)/.exec(headers[':path'] ?? '')?.[1] ?? DEFAULT_BYTES);
  stream.respond({ ':status': 200, 'content-type': 'text/plain', 'content-length': bytes });
  stream.end(body(bytes));
  stream.resume();
});
server.listen(Number(PORT), HOST, () => {
  const address = server.address();
  if (typeof address === 'object' && address) process.stdout.write(`${address.port}\n`);
});
