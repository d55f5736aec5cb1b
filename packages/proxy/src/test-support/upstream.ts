// Upstream applications for tests: real servers on free ports.
import { createServer as createHttp, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTcp, type AddressInfo, type Server as TcpServer, type Socket } from 'node:net';

export interface TestServer extends AsyncDisposable {
  readonly port: number;
  /** Connections accepted so far. */
  readonly accepted: () => number;
}

async function listening(server: Server | TcpServer, sockets: Set<Socket>, count: () => number): Promise<TestServer> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    accepted: count,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function track(server: Server | TcpServer): readonly [Set<Socket>, () => number] {
  const sockets = new Set<Socket>();
  let accepted = 0;
  server.on('connection', (socket: Socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
  });
  return [sockets, () => accepted];
}

/** Answers by Node's own HTTP server, so that the proxy is read by somebody else's parser. */
export function httpUpstream(handle: RequestListener): Promise<TestServer> {
  const server = createHttp({ keepAliveTimeout: 60_000 }, handle);
  return listening(server, ...track(server));
}

/** Says who it is, and what it got. */
export const echoUpstream = (name: string): Promise<TestServer> =>
  httpUpstream((request, response) => {
    void readBody(request).then((body) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ name, method: request.method, url: request.url, headers: request.headers, body }));
    });
  });

export async function readBody(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}

/** Bytes in, bytes out, by hand. */
export function tcpUpstream(onConnection: (socket: Socket) => void): Promise<TestServer> {
  const server = createTcp({ allowHalfOpen: true }, onConnection);
  return listening(server, ...track(server));
}
