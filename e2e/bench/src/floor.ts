/**
 * What Node's reads and writes cost alone: bytes of each connection go to one of its own to the backend and back, nobody looks
 * at them. FLOOR_TO is the backend's port. Prints its port.
 */
import { connect, createServer, Socket, type NetConnectOpts, type SocketConstructorOpts } from 'node:net';

const backend = Number(process.env['FLOOR_TO']);
const shared = Buffer.allocUnsafeSlow(64 * 1024);

/** Reads into one buffer, as the proxy does; what is written must outlive the call. */
const reading = (to: () => Socket) => ({
  buffer: shared,
  callback(length: number, buffer: Uint8Array): boolean {
    to().write(Buffer.from(buffer.subarray(0, length)));
    return true;
  },
});

interface WithHandle {
  _handle: { reading?: boolean; readStop(): void } | null;
}

const server = createServer({ noDelay: true, pauseOnConnect: true }, (accepted) => {
  const inner = accepted as unknown as WithHandle;
  const handle = inner._handle;
  if (handle === null) return;
  handle.readStop();
  handle.reading = false;
  inner._handle = null;
  accepted.destroy();
  const to: NetConnectOpts = { host: '127.0.0.1', port: backend, noDelay: true };
  const upstream = connect({ ...to, onread: reading(() => client) } as NetConnectOpts);
  const client: Socket = new Socket({ handle, onread: reading(() => upstream) } as unknown as SocketConstructorOpts);
  client.on('error', () => {}).on('close', () => upstream.destroy());
  upstream.on('error', () => {}).on('close', () => client.destroy());
  client.resume();
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object' && address) process.stdout.write(`${address.port}\n`);
});
