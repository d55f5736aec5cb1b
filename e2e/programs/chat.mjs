// A WebSocket server that knows nothing of meshes, by the library that most use: says everything back, and why it closes.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const { HOST = '127.0.0.1', PORT = '0' } = process.env;
const server = createServer((request, response) => response.end('no WebSocket'));
const sockets = new WebSocketServer({ server, perMessageDeflate: true, handleProtocols: (offered) => [...offered][0] });
sockets.on('connection', (socket, request) => {
  socket.send(JSON.stringify({ url: request.url, mine: request.headers['x-mine'] }));
  socket.on('message', (data, isBinary) => {
    if (!isBinary && Buffer.from(data).toString() === 'bye') socket.close(4001, 'as you like');
    else socket.send(data, { binary: isBinary });
  });
});
server.listen(Number(PORT), HOST);
process.on('SIGTERM', () => {
  for (const socket of sockets.clients) socket.terminate();
  server.close(() => process.exit(0));
});
