import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { waitFor } from '@weft/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { certificate } from '../test-support/certificates.ts';
import { descriptorOf } from './descriptor.ts';
import { keepaliveSetter } from './keepalive.ts';
import { loadSocketCalls, type SocketCalls } from './native-sockets.ts';

// Linux values: socket(7), tcp(7).
const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const IPPROTO_TCP = 6;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;

const calls = ((): SocketCalls | undefined => {
  try {
    return loadSocketCalls();
  } catch {
    return undefined;
  }
})();
const opened: (Socket | Server)[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) if ('destroy' in one) one.destroy();
    else one.close();
}); // prettier-ignore

const portOf = async (server: Server): Promise<number> => {
  opened.push(server);
  server.on('connection', (socket: Socket) => void opened.push(socket.on('error', () => {})));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
};

async function plain(): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: await portOf(createServer()) });
  opened.push(socket);
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  return socket;
}

async function secure(): Promise<Socket> {
  const { privateKey: key = '', certificateChain: cert = '' } = certificate('server');
  const port = await portOf(createTlsServer({ key, cert }));
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false });
  opened.push(socket);
  await new Promise<void>((resolve) => socket.once('secureConnect', () => resolve()));
  return socket;
}

/** As the system has it. */
function settingsOf(socket: Socket): readonly number[] {
  const value = Buffer.alloc(4);
  const length = Buffer.from(Uint32Array.of(4).buffer);
  return [
    [SOL_SOCKET, SO_KEEPALIVE],
    [IPPROTO_TCP, TCP_KEEPIDLE],
    [IPPROTO_TCP, TCP_KEEPINTVL],
    [IPPROTO_TCP, TCP_KEEPCNT],
  ].map(([level = 0, name = 0]) => {
    expect(calls?.getsockopt(descriptorOf(socket), level, name, value, length)).toBe(0);
    return value.readInt32LE(0);
  });
}

describe.skipIf(calls === undefined)('TCP keepalive', () => {
  it.each([
    ['plain', plain],
    ['TLS', secure],
  ])('of a %s connection is what was said: when, how often, how many', async (_, open) => {
    const socket = await open();
    expect(settingsOf(socket)[0]).toBe(0);
    keepaliveSetter({ idleSeconds: 77, intervalSeconds: 5, probes: 3 })(socket);
    await waitFor(() => settingsOf(socket)[0] === 1, { what: 'keepalive' });
    expect(settingsOf(socket)).toEqual([1, 77, 5, 3]);
  });

  it("is the system's own where nothing is said", async () => {
    const [socket, other] = [await plain(), await plain()];
    keepaliveSetter({ idleSeconds: 0, intervalSeconds: 0, probes: 0 })(socket);
    keepaliveSetter({ idleSeconds: 10, intervalSeconds: 0, probes: 4 })(other);
    expect(settingsOf(socket).slice(0, 2)).toEqual([1, 7200]);
    expect(settingsOf(other)).toEqual([1, 10, expect.any(Number), 4]);
  });

  it('does not mind a connection that is gone', async () => {
    const socket = await plain();
    socket.destroy();
    keepaliveSetter({ idleSeconds: 77, intervalSeconds: 5, probes: 3 })(socket);
    expect(descriptorOf(socket)).toBe(-1);
  });
});
