// A program that knows nothing of meshes: sends each body back while it comes, now and then after a rest.
// PROTOCOL=http2 speaks HTTP/2 without TLS; else HTTP/1.1.
import { createServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { Transform } from 'node:stream';

const { HOST = '127.0.0.1', PORT = '0', PROTOCOL = 'http1' } = process.env;
const resting = () => {
  let chunks = 0;
  return new Transform({
    transform(chunk, _encoding, done) {
      chunks += 1;
      if (chunks % 7 === 0) setTimeout(done, chunks % 20, undefined, chunk);
      else done(undefined, chunk);
    },
  });
};
const mirror = (request, response) => {
  request.on('error', () => {});
  response.on('error', () => {});
  response.writeHead(200, { 'x-size': request.headers['x-size'] ?? '' });
  request.pipe(resting()).pipe(response);
};
const server = PROTOCOL === 'http2' ? createHttp2Server(mirror) : createServer(mirror);
server.listen(Number(PORT), HOST);
process.on('SIGTERM', () => server.close(() => process.exit(0)));
