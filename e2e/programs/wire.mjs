// A program that speaks HTTP/1.1 by hand, so that tests see and choose every byte.
// /seen answers with the bytes that came · /bytes/BASE64URL answers with these bytes · /trailers has fields behind its body
// /early answers before the body · /huge has a head of 70 KB · an Upgrade becomes a tunnel that returns <what it got>
import { createServer } from 'node:net';

const { HOST = '127.0.0.1', PORT = '0' } = process.env;
let connections = 0;

/** One whole message from the front of the text; undefined while some of it is missing. */
function take(text) {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = text.slice(0, end + 4);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head);
  if (length !== null) {
    const size = head.length + Number(length[1]);
    return text.length < size ? undefined : text.slice(0, size);
  }
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) return head;
  const last = /(^|\r\n)0\r\n([^\r\n]+\r\n)*\r\n/.exec(text.slice(head.length));
  return last === null ? undefined : text.slice(0, head.length + last.index + last[0].length);
}

const server = createServer((socket) => {
  const connection = (connections += 1);
  let text = '';
  let tunnel = false;
  const write = (bytes) => socket.write(bytes, 'latin1');
  socket.on('error', () => {});
  socket.on('data', (data) => {
    if (tunnel) return write(`<${data.toString('latin1')}>`);
    text += data.toString('latin1');
    if (/^\S+ \/early/.test(text) && text.includes('\r\n\r\n')) {
      text = '';
      return write('HTTP/1.1 413 Enough\r\nContent-Length: 2\r\n\r\nno');
    }
    if (/\r\nexpect: 100-continue\r\n/i.test(text) && text.endsWith('\r\n\r\n') && take(text) === undefined)
      write('HTTP/1.1 100 Carry On\r\n\r\n');
    for (let message = take(text); message !== undefined; message = take(text)) {
      text = text.slice(message.length);
      const [method = '', target = ''] = message.split(' ');
      const [, bytes] = /^\/bytes\/([\w-]+)/.exec(target) ?? [];
      if (bytes !== undefined) write(Buffer.from(bytes, 'base64url').toString('latin1'));
      else if (target === '/huge') write(`HTTP/1.1 200 OK\r\n${`A: ${'b'.repeat(1_000)}\r\n`.repeat(70)}\r\n`);
      else if (target.startsWith('/trailers'))
        write(
          'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nHost: evil\r\nx-SUM: 2\r\n\r\n',
        );
      else if (/\r\nupgrade: *websocket\r\n/i.test(message) && target.startsWith('/ws')) {
        tunnel = true;
        write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Tunnel: Yes\r\n\r\nwelcome',
        );
        if (text !== '') write(`<${text}>`);
      } else {
        const head = `HTTP/1.1 200 Fine By Me\r\nX-First: ${connection}\r\nx-SECOND: 2\r\nX-first: again\r\nContent-Length: ${message.length}\r\n\r\n`;
        write(method === 'HEAD' ? head : head + message);
      }
    }
  });
  socket.on('end', () => socket.end());
});
server.listen(Number(PORT), HOST, () => console.log(`listening on ${server.address().port}`));
process.on('SIGTERM', () => process.exit(0));
