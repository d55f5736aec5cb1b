/** Bytes as they are, to a port and back. */
import { connect } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';

/** @returns what came until the other side closed, or after `quietMs` of silence once something had come. */
export function raw(url: string, bytes: string, quietMs = 1_500): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port || 80) });
    let text = '';
    socket.setTimeout(quietMs, () => socket.destroy());
    socket.write(bytes, 'latin1');
    socket.on('data', (data) => (text += data.toString('latin1')));
    socket.on('error', () => {});
    socket.once('close', () => resolve(text));
  });
}

/** Sends, and resets the connection after a while. */
export function rawReset(url: string, bytes: string, afterMs: number): Promise<void> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port || 80) });
    socket.write(bytes, 'latin1');
    socket.on('error', () => {});
    socket.once('close', () => resolve());
    setTimeout(() => socket.resetAndDestroy(), afterMs);
  });
}

/** The first bytes of a TLS connection to this server. */
export const clientHello = (servername: string): Promise<Buffer> =>
  new Promise((resolve) => {
    const wire = new Duplex({
      read() {},
      write(bytes: Buffer, _, done) {
        resolve(bytes);
        done();
      },
    });
    connectTls({ socket: wire, servername }).on('error', () => {});
  });
