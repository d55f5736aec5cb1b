// A server of lines that speaks no HTTP: answers each line with its version in front. GREETING: it speaks first.
// FIRST=1 answers the first bytes of a connection as they came, in hexadecimal · TLS_KEY and TLS_CERT: it speaks TLS itself
// CONNECT=1 is a forward proxy in its stead: says where it was asked to go, then returns <what it gets>
import { createServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

const { HOST = '127.0.0.1', PORT = '0', VERSION = 'v1', GREETING, FIRST, TLS_KEY, TLS_CERT, CONNECT } = process.env;

function lines(socket) {
  let text = '';
  if (GREETING) socket.write(`${GREETING} ${VERSION}\n`);
  socket.on('data', (data) => {
    if (FIRST) return socket.write(`${data.toString('hex')}\n`);
    text += data.toString('latin1');
    const parts = text.split('\n');
    text = parts.pop() ?? '';
    for (const line of parts) socket.write(`${VERSION}:${line}\n`);
  });
  // The client may have ended its side alone: it still gets the last word.
  socket.on('end', () => socket.end(`bye ${VERSION}\n`));
}

function forwardProxy(socket) {
  let open = false;
  socket.on('data', (data) => {
    if (open) return socket.write(`<${data.toString('latin1')}>`);
    const [method, target] = data.toString('latin1').split(' ');
    open = true;
    if (target?.startsWith('forbidden')) return socket.end('HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n');
    return socket.write(`HTTP/1.1 200 OK\r\n\r\n${method} ${target}\n`);
  });
  socket.on('end', () => socket.end());
}

const serve = (socket) => {
  socket.on('error', () => {});
  if (CONNECT) forwardProxy(socket);
  else lines(socket);
};
const options = { allowHalfOpen: true };
const server =
  TLS_KEY === undefined
    ? createServer(options, serve)
    : createTlsServer({ ...options, key: TLS_KEY, cert: TLS_CERT }, serve);
server.on('tlsClientError', () => {});
server.listen(Number(PORT), HOST, () => console.log(`listening on ${server.address().port}`));
process.on('SIGTERM', () => process.exit(0));
