/** The server behind every proxy: 1 KB over raw sockets, as cheap as Node can. Prints its port. */
import { createServer } from 'node:net';

const body = 'x'.repeat(1024);
const response = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
);
const HEAD_END = '\r\n\r\n';

// In the mesh HOST and PORT say where; alone, any port.
const { HOST = '127.0.0.1', PORT = '0' } = process.env;
const server = createServer({ noDelay: true }, (socket) => {
  let rest = '';
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    const text = rest + chunk.toString('latin1');
    let from = 0;
    for (let at = text.indexOf(HEAD_END); at >= 0; at = text.indexOf(HEAD_END, from)) {
      from = at + HEAD_END.length;
      socket.write(response);
    }
    rest = text.slice(from);
  });
});
server.listen(Number(PORT), HOST, () => {
  const address = server.address();
  if (typeof address === 'object' && address) process.stdout.write(`${address.port}\n`);
});
