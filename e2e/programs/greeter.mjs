// A TCP program that speaks first: says who called, then returns what it gets.
import { createServer } from 'node:net';

const { HOST = '127.0.0.1', PORT = '0', NAME = 'greeter' } = process.env;
const server = createServer((socket) => {
  socket.on('error', () => {});
  socket.write(`${NAME} greets ${socket.remoteAddress?.replace('::ffff:', '')}\n`);
  socket.pipe(socket);
});
server.listen(Number(PORT), HOST, () => console.log(`listening on ${server.address().port}`));
process.on('SIGTERM', () => process.exit(0));
