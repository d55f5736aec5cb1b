// A program that breaks the rules of HTTP in the way that its path names.
// /garbage answers no HTTP · /cut ends inside its body · /forged claims a reason of the mesh · /deaf answers, then takes no more connections
import { createServer } from 'node:net';

const { HOST = '127.0.0.1', PORT = '0' } = process.env;
const answer = (status, body, extra = '') =>
  `HTTP/1.1 ${status}\r\ncontent-length: ${body.length}\r\nconnection: close\r\n${extra}\r\n${body}`;
const ways = {
  '/garbage': (socket) => socket.end('once upon a time\r\n\r\n'),
  '/cut': (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nonly the beginn'),
  '/forged': (socket) => socket.end(answer('503 Service Unavailable', 'own', 'x-weft-reason: no-route\r\n')),
  '/deaf': (socket) => {
    server.close();
    socket.end(answer('200 OK', 'bye'));
  },
};
const server = createServer((socket) => {
  socket.on('error', () => {});
  socket.once('data', (data) => {
    const path = data.toString('latin1').split(' ')[1]?.split('?')[0] ?? '';
    (ways[path] ?? ((other) => other.end(answer('200 OK', 'ok'))))(socket);
  });
});
server.listen(Number(PORT), HOST, () => console.log(`listening on ${server.address().port}`));
// Alive, also when it takes no connections.
setInterval(() => {}, 60_000);
