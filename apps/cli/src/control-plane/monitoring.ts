/** The control plane's own port for machines: metrics, readiness, what it knows. Read-only. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { BearerCheck } from '@weft/console-api';
import { errorMessage, WeftError } from '@weft/kit';

export interface MonitoringDeps {
  readonly host: string;
  readonly port: number;
  /** A listening socket of the parent, bound there. */
  readonly fd?: number;
  readonly metrics: () => string | Promise<string>;
  /** What it still waits for; empty when ready. */
  readonly waitingFor: () => readonly string[];
  /** Pages under /debug/, answered as JSON: whole configuration, so only to who has the token. */
  readonly debug: Readonly<Record<string, () => unknown>>;
  readonly bearer: BearerCheck;
}

export interface Monitoring {
  readonly port: number;
  close(): Promise<void>;
}

const MAX_CONNECTIONS = 64;
const LIMITS = { requestTimeout: 10_000, headersTimeout: 10_000, connectionsCheckingInterval: 2_000 };
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;

export async function serveMonitoring(deps: MonitoringDeps): Promise<Monitoring> {
  const answer = async (path: string, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (path === '/metrics') {
      const text = await deps.metrics();
      return end(response, 200, 'text/plain; version=0.0.4; charset=utf-8', text);
    }
    if (path === '/ready') {
      const waits = deps.waitingFor();
      return end(
        response,
        waits.length === 0 ? 200 : 503,
        'text/plain',
        waits.length === 0 ? 'ready\n' : `waiting for ${waits.join(', ')}\n`,
      );
    }
    if (path.startsWith('/debug/')) {
      const verdict = deps.bearer.check(request.headers.authorization, request.socket.remoteAddress ?? '');
      if (verdict === 'locked-out') return end(response, 429, 'text/plain', 'too many wrong tokens; wait a minute\n');
      if (verdict !== 'right') {
        response.setHeader('www-authenticate', 'Bearer realm="weft"');
        return end(
          response,
          401,
          'text/plain',
          'needs "authorization: Bearer TOKEN"; the token is in the state folder\n',
        );
      }
    }
    const name = /^\/debug\/([a-z]+)$/.exec(path)?.[1] ?? '';
    const page = Object.hasOwn(deps.debug, name) ? deps.debug[name] : undefined;
    if (page) return end(response, 200, 'application/json', JSON.stringify(page(), undefined, 1));
    const pages = ['/metrics', '/ready', ...Object.keys(deps.debug).map((item) => `/debug/${item}`)];
    return end(response, 404, 'text/plain', `no such page; there are ${pages.join(', ')}\n`);
  };
  const server = createServer(LIMITS, (request, response) => {
    response.on('error', () => {});
    request.resume();
    // Another site's page in a browser must not read this by a name of its own (DNS rebinding).
    if (!LOOPBACK.test(request.headers.host ?? ''))
      return end(response, 421, 'text/plain', 'this address answers to loopback names only\n');
    if (isForeign(request)) return end(response, 403, 'text/plain', 'pages of other sites may not ask here\n');
    if (request.method !== 'GET') return end(response, 405, 'text/plain', 'read-only\n');
    answer((request.url ?? '').split('?')[0] ?? '', request, response).catch((error: unknown) => {
      if (!response.headersSent) end(response, 500, 'text/plain', `${errorMessage(error)}\n`);
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(
        new WeftError('WEFT_LISTEN', `monitoring can not listen on ${deps.host}:${deps.port}: ${error.message}`, {
          cause: error,
        }),
      );
    });
    if (deps.fd === undefined) server.listen(deps.port, deps.host, resolve);
    else server.listen({ fd: deps.fd }, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : deps.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A page of another site asks by a script: it could not read the answer, but whole pages would be made for it. */
function isForeign({ headers }: IncomingMessage): boolean {
  const { origin, host = '' } = headers;
  if (origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`) return true;
  const site = headers['sec-fetch-site'];
  return site !== undefined && !['same-origin', 'none'].includes(site) && headers['sec-fetch-mode'] !== 'navigate';
}

function end(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'content-type': type,
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
  });
  response.end(body);
}
