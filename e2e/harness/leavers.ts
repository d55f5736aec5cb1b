/** Clients that go away, and requests that are broken off: one of them at a time, each in its own way. */
import { type ClientHttp2Session, connect as connectHttp2, constants } from 'node:http2';
import { connect } from 'node:net';
import { END_HEADERS, END_STREAM, frame, TYPE } from './http2-frames.ts';

const BODY = 'twenty bytes of body';

/** A POST, as bytes. */
export const HTTP1_POST = Buffer.from(
  `POST /?size=300 HTTP/1.1\r\nHost: echo\r\nContent-Length: ${BODY.length}\r\nX-Some: thing\r\n\r\n${BODY}`,
);

/** RFC 7541 §6.2.2, the name from the static table. */
const literal = (name: readonly number[], value: string): Buffer =>
  Buffer.concat([Buffer.from([...name, value.length]), Buffer.from(value)]);
const HEAD = Buffer.concat([
  // POST, http.
  Buffer.from([0x83, 0x86]),
  literal([0x04], '/?size=300'),
  literal([0x01], 'echo'),
  literal([0x0f, 0x0d], String(BODY.length)),
]);
export const HTTP2_POST = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  frame(TYPE.settings, 0, 0),
  frame(TYPE.headers, END_HEADERS, 1, HEAD),
  frame(TYPE.data, END_STREAM, 1, Buffer.from(BODY)),
]);

/** Sends so many bytes of a message, and when these are all, reads so many of what comes; then it goes. */
export function leaveAt(
  url: string,
  message: Buffer,
  sends: number,
  reads: number,
  how: 'reset' | 'closed',
): Promise<void> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port) });
    let got = 0;
    const go = (): void => void (how === 'reset' ? socket.resetAndDestroy() : socket.destroy());
    socket.on('error', () => {});
    socket.on('close', () => resolve());
    socket.setTimeout(30_000, go);
    socket.on('connect', () => {
      if (sends === 0) return go();
      socket.write(message.subarray(0, sends), () => {
        if (sends < message.length) go();
      });
    });
    socket.on('data', (data) => {
      got += data.length;
      if (got >= reads) go();
    });
  });
}

/** Requests over one session that are broken off: at once, inside the body, once a head or a byte has come. */
export function streamBreaker(url: string, authority: string) {
  let session: ClientHttp2Session | undefined;
  const open = (): ClientHttp2Session => {
    if (session === undefined || session.closed || session.destroyed) {
      session = connectHttp2(url);
      session.on('error', () => {});
    }
    return session;
  };
  return {
    breakOne(phase: number): Promise<void> {
      return new Promise((resolve) => {
        const stream = open().request({ ':method': 'POST', ':path': '/?size=300', ':authority': authority });
        const go = (): void => stream.close(constants.NGHTTP2_CANCEL);
        stream.setTimeout(30_000, go);
        stream.on('error', () => {});
        stream.on('close', () => resolve());
        stream.resume();
        if (phase % 4 === 0) return go();
        stream.write(BODY);
        if (phase % 4 === 1) return void setImmediate(go);
        stream.on(phase % 4 === 2 ? 'response' : 'data', go);
        stream.end();
      });
    },
    close: () => session?.destroy(),
  };
}
