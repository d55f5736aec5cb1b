/** Applications of a test, at loopback addresses of their own. */
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { Server as TcpServer } from 'node:net';

/** Where every application listens. */
const APP_PORT = 8080;

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  /** The number of its connection, from 1. */
  readonly connection: number;
}

export interface App {
  readonly seen: Seen[];
  /** How it answers from now on; default: 200 and its name. */
  behave(how: { readonly status?: number; readonly delayMs?: number }): void;
}

export interface Place {
  readonly host: string;
  readonly port: number;
}

export const placeOf = (block: string, index: number, port: number | undefined): Place =>
  port === undefined ? { host: `${block}.9.${index}`, port: APP_PORT } : { host: '127.0.0.1', port };

export const listen = (server: Server | TcpServer, place: Place): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...place }, () => resolve());
  });

export async function startApp(name: string, place: Place): Promise<App & { readonly server: Server }> {
  const seen: Seen[] = [];
  let behaviour: { readonly status?: number; readonly delayMs?: number } = {};
  const numbers = new WeakMap<object, number>();
  let connections = 0;
  const server = createServer((request, response) => {
    const { method = '', url = '', headers, rawHeaders, socket } = request;
    seen.push({ method, url, headers, rawHeaders, connection: numbers.get(socket) ?? 0 });
    const { status = 200, delayMs = 0 } = behaviour;
    request.resume();
    setTimeout(() => {
      response.writeHead(status, { 'content-type': 'application/json', 'x-app': name });
      response.end(method === 'HEAD' ? undefined : JSON.stringify({ app: name, method, url, headers }));
    }, delayMs);
  });
  server.on('connection', (socket) => {
    connections += 1;
    numbers.set(socket, connections);
  });
  await listen(server, place);
  return { server, seen, behave: (how) => (behaviour = how) };
}
