// A program that books every request that reached it whole, and cuts connections where it was told to.
// POST or GET /book/ID books ID · PUT /cut?phase=request|response&at=N&how=closed|reset cuts the next such exchange after N bytes ·
// ?cut=N&how=closed|reset cuts the answer to the request that says so · GET /ledger says how often each ID was booked. An answer of a booked request is 200 with its ID.
import { createServer } from 'node:net';

const { HOST = '127.0.0.1', PORT = '0' } = process.env;
const booked = {};
let cut;
const END = Buffer.from('\r\n\r\n');

/** The length of the message at the beginning of the bytes; 0 = it is not complete. */
function lengthOf(bytes) {
  const head = bytes.indexOf(END);
  if (head < 0) return 0;
  const length = Number(/^content-length: *(\d+)/im.exec(bytes.subarray(0, head).toString('latin1'))?.[1] ?? 0);
  const total = head + END.length + length;
  return bytes.length >= total ? total : 0;
}

const answer = (status, body) =>
  Buffer.from(`HTTP/1.1 ${status} X\r\ncontent-type: text/plain\r\ncontent-length: ${body.length}\r\n\r\n${body}`);

function serve(socket, message) {
  const [method, target] = message.subarray(0, message.indexOf('\r\n')).toString('latin1').split(' ');
  const url = new URL(target, 'http://ledger');
  if (url.pathname === '/ledger') return socket.write(answer(200, JSON.stringify(booked)));
  if (method === 'PUT') {
    const get = (name) => url.searchParams.get(name);
    cut = { phase: get('phase'), at: Number(get('at')), reset: get('how') === 'reset' };
    return socket.write(answer(200, 'ok'));
  }
  const id = url.pathname.split('/')[2] ?? '';
  booked[id] = (booked[id] ?? 0) + 1;
  const bytes = answer(200, id);
  const own = url.searchParams.get('cut');
  if (own !== null) return cutAt(socket, bytes, Number(own), url.searchParams.get('how') === 'reset');
  if (cut?.phase !== 'response') return socket.write(bytes);
  const { at, reset } = cut;
  cut = undefined;
  return cutAt(socket, bytes, at, reset);
}

function cutAt(socket, bytes, at, reset) {
  if (at >= bytes.length) return socket.write(bytes);
  // What was written has to get out before the end.
  return socket.write(bytes.subarray(0, at), () => end(socket, reset));
}

const end = (socket, reset) => (reset ? socket.resetAndDestroy() : socket.destroy());

const server = createServer((socket) => {
  let received = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (data) => {
    received = Buffer.concat([received, data]);
    const told =
      received.subarray(0, 4).toString() === 'PUT ' || received.subarray(0, 12).toString() === 'GET /ledger ';
    if (cut?.phase === 'request' && !told && received.length >= cut.at) {
      const { reset } = cut;
      cut = undefined;
      return end(socket, reset);
    }
    for (let length = lengthOf(received); length > 0; length = lengthOf(received)) {
      const message = received.subarray(0, length);
      received = received.subarray(length);
      serve(socket, message);
    }
  });
});
server.listen(Number(PORT), HOST, () => console.log(`listening on ${server.address().port}`));
