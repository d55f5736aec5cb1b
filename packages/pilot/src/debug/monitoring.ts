/** The read-only HTTP pages of the control plane: /metrics, /ready and /debug. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { WeftError } from '@weft/kit';
import type { Pilot } from '../pilot.ts';

export interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const json = (value: unknown): Page => ({
  status: 200,
  type: 'application/json',
  body: `${JSON.stringify(value, undefined, 2)}\n`,
});
const text = (status: number, body: string): Page => ({ status, type: 'text/plain; charset=utf-8', body: `${body}\n` });

/** @param path without query. */
export function monitoringPage(pilot: Pilot, path: string): Page {
  switch (path) {
    case '/metrics':
      return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body: pilot.metrics() };
    case '/ready':
      return pilot.ready() ? text(200, 'ready') : text(503, 'waiting for the first configuration and registry');
    case '/debug/syncz':
      return json(pilot.debug.syncz());
    case '/debug/configz':
      return json(pilot.debug.configz());
    case '/debug/registryz':
      return json(pilot.debug.registryz());
    case '/debug/proxyz':
      return json(pilot.proxyStatus());
    case '/debug/diagnosticz':
      return json(pilot.diagnostics());
    default:
      return text(
        404,
        'pages: /metrics /ready /debug/syncz /debug/configz /debug/registryz /debug/proxyz /debug/diagnosticz',
      );
  }
}

const LOCAL_HOSTS: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

export interface MonitoringServer {
  readonly port: number;
  close(): Promise<void>;
}

export interface MonitoringOptions {
  readonly host: string;
  readonly port: number;
  /** Who has it may see /debug pages, which show the whole configuration; nobody when absent. */
  readonly debugToken?: string;
}

/** Listens on loopback and answers only to its own names, so that a web page elsewhere can not read it through a browser. */
export function startMonitoring(pilot: Pilot, options: MonitoringOptions): Promise<MonitoringServer> {
  const { host, port, debugToken } = options;
  const pageFor = (path: string, authorization: string | undefined): Page =>
    !path.startsWith('/debug/') || isBearer(authorization, debugToken)
      ? monitoringPage(pilot, path)
      : text(401, 'debug pages need "authorization: Bearer TOKEN" with the token of --debug-token-file');
  const server = createServer((request, response) => {
    const name = (request.headers.host ?? '').replace(/:\d+$/, '').toLowerCase();
    const page =
      !LOCAL_HOSTS.has(name) && name !== host
        ? text(421, 'this address is not served here')
        : request.method !== 'GET' && request.method !== 'HEAD'
          ? text(405, 'read only')
          : pageFor((request.url ?? '/').split('?', 1)[0] ?? '/', request.headers.authorization);
    response.writeHead(page.status, {
      'content-type': page.type,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    response.end(request.method === 'HEAD' ? undefined : page.body);
  });
  return new Promise((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new WeftError('WEFT_LISTEN', `can not listen on ${host}:${port}`, { cause: error, where: `${host}:${port}` }),
      ),
    );
    server.listen(port, host, () => resolve({ port: portOf(server), close: () => closeServer(server) }));
  });
}

const digest = (value: string): Buffer => createHash('sha256').update(value).digest();
const isBearer = (authorization: string | undefined, token: string | undefined): boolean =>
  token !== undefined &&
  authorization !== undefined &&
  timingSafeEqual(digest(authorization), digest(`Bearer ${token}`));

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

const closeServer = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
