/** The two sockets that questions come to. What is answered is not their business. */
import { createSocket } from 'node:dgram';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import { createFrameReader, frame } from '@weft/capture/dns';
import { errorCode, errorMessage, type Logger, WeftError } from '@weft/kit';

/** `reply` may be called once, later or never. */
export type TakeQuestion = (message: Buffer, transport: 'udp' | 'tcp', reply: (message: Buffer) => void) => void;

export interface DnsListeners {
  /** `address:port` as bound. */
  readonly address: string;
  close(): Promise<void>;
}

export interface DnsListenersDeps {
  readonly address: string;
  readonly port: number;
  /** Sockets of this address that the parent made. */
  readonly fds?: { readonly datagrams: number; readonly stream: number };
  readonly take: TakeQuestion;
  readonly logger: Logger;
}

const MAX_CONNECTIONS = 256;
const IDLE_MS = 30_000;
/** Of answers that a client does not read. */
const MAX_UNREAD_BYTES = 256 * 1024;
// Of questions on one connection that wait for answers.
const MAX_WAITING = 64;

/** What is free for datagrams may be taken for streams: then another one is tried. */
const ATTEMPTS_AT_ANY_PORT = 10;

/** @param deps.port 0 takes any that is free for both. @throws {WeftError} WEFT_LISTEN. */
export async function openDnsListeners(deps: DnsListenersDeps): Promise<DnsListeners> {
  for (let attempt = deps.port === 0 ? 1 : ATTEMPTS_AT_ANY_PORT; ; attempt += 1) {
    try {
      return await openBoth(deps);
    } catch (error) {
      const { address, port } = deps;
      if (attempt < ATTEMPTS_AT_ANY_PORT && errorCode(error) === 'EADDRINUSE') continue;
      throw new WeftError('WEFT_LISTEN', `can not answer DNS on ${address}:${port}: ${errorMessage(error)}`, {
        cause: error,
        where: `${address}:${port}`,
      });
    }
  }
}

async function openBoth({ address, port, fds, take, logger }: DnsListenersDeps): Promise<DnsListeners> {
  const datagrams = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4' });
  const connections = new Set<Socket>();
  const server = createServer((connection) => serve(connection, connections, take));
  server.maxConnections = MAX_CONNECTIONS;
  try {
    await listening(datagrams, () => datagrams.bind(fds ? { fd: fds.datagrams } : { port, address, exclusive: true }));
    const bound = datagrams.address().port;
    await listening(server, () =>
      server.listen(fds ? { fd: fds.stream } : { port: bound, host: address, exclusive: true }),
    );
    datagrams.on('message', (message, from) =>
      take(message, 'udp', (reply) => datagrams.send(reply, from.port, from.address, (error) => tell(error))),
    );
    // A client that went away, or a full buffer: UDP has no promise to break, and one error is not the end of the socket.
    const tell = (error: Error | null): void => {
      if (error !== null) logger.debug({ error: errorMessage(error) }, 'an answer to DNS could not be sent');
    };
    datagrams.on('error', tell);
    server.on('error', tell);
    let closed: Promise<void> | undefined;
    return {
      address: isIPv6(address) ? `[${address}]:${bound}` : `${address}:${bound}`,
      close() {
        closed ??= closeBoth(datagrams, server, connections);
        return closed;
      },
    };
  } catch (error) {
    await closeBoth(datagrams, server, connections);
    throw error;
  }
}

type Listening = Pick<Server, 'once' | 'off'> | Pick<ReturnType<typeof createSocket>, 'once' | 'off'>;

const listening = (socket: Listening, begin: () => void): Promise<void> =>
  new Promise((resolve, reject) => {
    const events = socket as Pick<Server, 'once' | 'off'>;
    events.once('error', reject);
    events.once('listening', () => {
      events.off('error', reject);
      resolve();
    });
    begin();
  });

function serve(connection: Socket, connections: Set<Socket>, take: TakeQuestion): void {
  connections.add(connection);
  const frames = createFrameReader();
  let waiting = 0;
  connection.setTimeout(IDLE_MS, () => connection.destroy());
  connection.on('error', () => connection.destroy());
  connection.on('close', () => connections.delete(connection));
  connection.on('data', (chunk: Buffer) => {
    for (const message of frames.push(chunk)) {
      waiting += 1;
      take(message, 'tcp', (reply) => {
        waiting -= 1;
        if (connection.destroyed) return;
        connection.write(frame(reply));
        if (connection.writableLength > MAX_UNREAD_BYTES) connection.destroy();
      });
    }
    if (waiting > MAX_WAITING) connection.destroy();
  });
}

async function closeBoth(
  datagrams: ReturnType<typeof createSocket>,
  server: Server,
  connections: ReadonlySet<Socket>,
): Promise<void> {
  for (const connection of connections) connection.destroy();
  await Promise.all([
    new Promise<void>((resolve) => {
      try {
        datagrams.close(() => resolve());
      } catch {
        // It was never open.
        resolve();
      }
    }),
    new Promise<void>((resolve) => void server.close(() => resolve())),
  ]);
}
