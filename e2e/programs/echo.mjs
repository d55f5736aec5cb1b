// A program that knows nothing of meshes: says what it received, and behaves as the query asks.
// DELAY_MS makes every answer slow.
// ?status=N answers N · ?delay=MS waits · ?reset=1 cuts the connection · ?size=N bytes of body · ?flaky=N fails every call but each Nth
import { createServer } from 'node:http';

const { HOST = '127.0.0.1', PORT = '0', NAME = 'echo', VERSION = 'v1', FAIL_STATUS, DELAY_MS = '0' } = process.env;
// GET /seen tells the last calls.
let calls = 0;
const seen = [];
const server = createServer((request, response) => {
  const url = new URL(request.url, 'http://echo');
  if (url.pathname === '/health') return response.end('ok');
  if (url.pathname === '/seen') return response.end(JSON.stringify({ calls, seen }));
  calls += 1;
  const chunks = [];
  request.on('error', () => {});
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const { method, url: target, headers } = request;
    seen.push({ method, url: target, host: headers.host, bytes: chunks.reduce((sum, { length }) => sum + length, 0) });
    if (seen.length > 2000) seen.shift();
    const get = (name) => url.searchParams.get(name);
    if (get('reset')) return request.socket.destroy();
    const flaky = Number(get('flaky') ?? 0);
    const fails = flaky > 0 && calls % flaky !== 0;
    const status = fails ? 503 : Number(get('status') ?? FAIL_STATUS ?? 200);
    const size = get('size');
    const body =
      size === null
        ? JSON.stringify({
            name: NAME,
            version: VERSION,
            pid: process.pid,
            method: request.method,
            url: request.url,
            headers: request.headers,
            rawHeaders: request.rawHeaders,
            body: Buffer.concat(chunks).toString(),
            calls,
          })
        : 'x'.repeat(Number(size));
    setTimeout(
      () => {
        response.writeHead(status, {
          'content-type': size === null ? 'application/json' : 'text/plain',
          'x-app': NAME,
        });
        response.end(request.method === 'HEAD' ? undefined : body);
      },
      Number(get('delay') ?? DELAY_MS),
    );
  });
});
server.listen(Number(PORT), HOST, () => console.log(`listening on ${server.address().port}`));
process.on('SIGTERM', () => server.close(() => process.exit(0)));
