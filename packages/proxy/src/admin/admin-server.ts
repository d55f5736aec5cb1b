import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { errorMessage, WeftError, type Logger } from '@weft/kit';

export interface AdminReply {
  readonly status?: number;
  /** Default `text/plain; charset=utf-8`. */
  readonly type?: string;
  readonly body: string;
}

export interface AdminPage {
  readonly path: string;
  /** One line for the index. */
  readonly about: string;
  /** `write` pages change something: they want POST and the token. */
  readonly kind: 'read' | 'write';
  answer(query: URLSearchParams): AdminReply | Promise<AdminReply>;
}

export interface AdminServerDeps {
  readonly host: string;
  readonly port: number;
  /** A listening socket of this address that the parent made. */
  readonly fd?: number;
  readonly pages: readonly AdminPage[];
  /** Asked for each write; undefined allows none. */
  readonly token: () => string | undefined;
  readonly logger: Logger;
}

export interface AdminServer {
  /** "address:port" as bound. */
  readonly address: string;
  close(): Promise<void>;
}

const LOCAL_NAMES: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

/** Serves a proxy's own pages on a loopback address. Off the request path, so `node:http` serves. */
export async function startAdminServer(deps: AdminServerDeps): Promise<AdminServer> {
  const { host, port, pages, logger } = deps;
  const find = (path: string, kind: AdminPage['kind']): AdminPage | undefined =>
    pages.find((page) => page.path === path && page.kind === kind);
  const allowedHosts = new Set([...LOCAL_NAMES, host.includes(':') ? `[${host}]` : host]);
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 10_000, keepAliveTimeout: 5_000, connectionsCheckingInterval: 2_000 },
    (request, response) => {
      request.resume();
      answer(request).then(
        (reply) => send(response, reply, request.method === 'HEAD'),
        (error: unknown) => {
          logger.error({ path: request.url, error: errorMessage(error) }, 'admin page failed');
          send(response, { status: 500, body: 'the page could not be made; the log says why\n' }, false);
        },
      );
    },
  );
  server.maxConnections = 64;

  async function answer(request: IncomingMessage): Promise<AdminReply> {
    // A page of another origin that resolves to this address must not read or change anything (DNS rebinding).
    if (!allowedHosts.has((request.headers.host ?? '').replace(/:\d+$/, '').toLowerCase())) {
      return { status: 421, body: 'this Host is not served here\n' };
    }
    if (isForeign(request)) return { status: 403, body: 'pages of other sites may not ask here\n' };
    const address = request.url ?? '/';
    // Neither the absolute form nor "//name/path" says more than Host, which was looked at.
    if (!/^\/(?!\/)/.test(address)) return { status: 400, body: 'the address must be a path\n' };
    const { pathname, searchParams } = new URL(address, 'http://admin');
    const path = pathname.length > 1 && pathname.endsWith('/') ? pathname.slice(0, -1) : pathname;
    if (path === '/' || path === '/help') return index(pages);
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const isWrite = request.method === 'POST';
    const page = isRead || isWrite ? find(path, isRead ? 'read' : 'write') : undefined;
    if (page === undefined) {
      const other = find(path, 'write') ?? find(path, 'read');
      if (other === undefined) return { status: 404, body: `no page ${path}; / lists all\n` };
      return { status: 405, body: `${path} wants ${other.kind === 'write' ? 'POST' : 'GET'}\n` };
    }
    if (page.kind === 'write' && !mayWrite(request)) {
      return { status: 401, body: 'this wants the header "authorization: Bearer TOKEN" with the token of the mesh\n' };
    }
    return page.answer(searchParams);
  }

  function mayWrite(request: IncomingMessage): boolean {
    const token = deps.token();
    const given = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined || given === undefined) return false;
    const [a, b] = [Buffer.from(token), Buffer.from(given)];
    return a.length === b.length && timingSafeEqual(a, b);
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new WeftError('WEFT_LISTEN', `admin page: can not listen on ${host}:${port}: ${error.message}`, {
          cause: error,
          where: '--admin',
        }),
      ),
    );
    if (deps.fd === undefined) server.listen(port, host, resolve);
    else server.listen({ fd: deps.fd }, resolve);
  });
  const bound = server.address();
  return {
    address: typeof bound === 'object' && bound !== null ? `${host}:${bound.port}` : `${host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Browsers say which page asks. Its script could not read the answer, but the work would be done, and its length and time be seen. */
function isForeign({ headers, method }: IncomingMessage): boolean {
  const { origin, host = '' } = headers;
  if (origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`) return true;
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'same-origin' || site === 'none') return false;
  // Somebody followed a link.
  return !(method === 'GET' && headers['sec-fetch-mode'] === 'navigate');
}

function send(
  response: ServerResponse,
  { status = 200, type = 'text/plain; charset=utf-8', body }: AdminReply,
  headOnly: boolean,
): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  });
  response.end(headOnly ? undefined : body);
}

const index = (pages: readonly AdminPage[]): AdminReply => ({
  body: [...pages]
    .sort((a, b) => (a.path < b.path ? -1 : 1))
    .map(({ path, kind, about }) => `${kind === 'write' ? 'POST' : 'GET '} ${path}: ${about}\n`)
    .join(''),
});
