/**
 * The server behind every proxy, over raw sockets, as cheap as Node can: `/N/M` answers N bytes (`/` 1 024) to a body of M, once
 * it has all of it. Prints its port.
 */
import { createServer, type Socket } from 'node:net';

const DEFAULT_BYTES = 1024;
const HEAD_END = '\r\n\r\n';
const NOT_ALL = Buffer.from('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n');
const answers = new Map<number, Buffer>();

function answer(bytes: number): Buffer {
  let made = answers.get(bytes);
  if (made === undefined) {
    const head = `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${bytes}\r\n\r\n`;
    made = Buffer.concat([Buffer.from(head), Buffer.alloc(bytes, 'x')]);
    answers.set(bytes, made);
  }
  return made;
}

function serve(socket: Socket): void {
  let rest = '';
  /** Bytes of the present request's body that are still to come, and what it will be answered. */
  let body = 0;
  let bytes = -1;
  let asExpected = true;
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    let from = 0;
    for (;;) {
      if (bytes >= 0) {
        const taken = Math.min(body, chunk.length - from);
        body -= taken;
        from += taken;
        if (body > 0) return;
        socket.write(asExpected ? answer(bytes) : NOT_ALL);
        bytes = -1;
      }
      if (from >= chunk.length) return;
      const text = rest + chunk.toString('latin1', from);
      const at = text.indexOf(HEAD_END);
      if (at < 0) {
        rest = text;
        return;
      }
      from += at + HEAD_END.length - rest.length;
      rest = '';
      const head = text.slice(0, at);
      const [, wanted, expected] = /^\S+ \/(\d+)(?:\/(\d+))? /.exec(head) ?? [];
      bytes = Number(wanted ?? DEFAULT_BYTES);
      body = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      asExpected = expected === undefined || Number(expected) === body;
    }
  });
}

// In the mesh HOST and PORT say where; alone, any port.
const { HOST = '127.0.0.1', PORT = '0' } = process.env;
const server = createServer({ noDelay: true }, serve);
server.listen(Number(PORT), HOST, () => {
  const address = server.address();
  if (typeof address === 'object' && address) process.stdout.write(`${address.port}\n`);
});
