// A program that takes connections and never reads from them; to GET /health on a fresh connection it answers.
import { createServer } from 'node:net';

const { HOST = '127.0.0.1', PORT = '0' } = process.env;
const server = createServer((socket) => {
  socket.on('error', () => {});
  socket.once('data', (data) => {
    if (data.toString('latin1').startsWith('GET '))
      return socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok');
    socket.pause();
  });
});
server.listen(Number(PORT), HOST, () => console.log(`listening on ${server.address().port}`));
process.on('SIGTERM', () => process.exit(0));
