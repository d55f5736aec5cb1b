import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { OptionError, parseOptions, type Environment, type ServiceOptions } from './options.ts';

export interface Reply {
  readonly status: number;
  readonly body: string;
  readonly type: 'json' | 'html' | 'css' | 'svg' | 'text';
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly message: IncomingMessage;
}

export type Handler = (request: Request) => Reply | Promise<Reply>;

const TYPES: Record<Reply['type'], string> = {
  json: 'application/json',
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  text: 'text/plain; charset=utf-8',
};

export const json = (status: number, value: unknown): Reply => ({ status, body: JSON.stringify(value), type: 'json' });
export const notFound = (): Reply => json(404, { error: 'not found' });
export const methodNotAllowed = (allow: string): Reply => ({
  ...json(405, { error: 'method not allowed' }),
  headers: { allow },
});

const DRAIN_MS = 5_000;

/** Runs one service until SIGTERM or SIGINT: flags, listen, say where, answer, drain. */
export function runService(
  name: string,
  create: (options: ServiceOptions) => Handler,
  ownFlags: Readonly<Record<string, string>> = {},
  argv: readonly string[] = process.argv.slice(2),
  env: Environment = process.env,
): void {
  let options: ReturnType<typeof parseOptions>;
  let handle: Handler;
  try {
    options = parseOptions(name, argv, env, ownFlags);
    if ('help' in options) {
      process.stdout.write(options.help);
      return;
    }
    handle = create(options);
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    process.stderr.write(`${name}: ${error.message}\n`);
    process.exitCode = 64;
    return;
  }
  listen(name, options, handle);
}

function listen(name: string, { host, port, version }: ServiceOptions, handle: Handler): void {
  let draining = false;
  const server = createServer((message, response) => {
    void replyTo(name, handle, message).then((reply) => send(response, reply, draining));
  });
  server.on('error', (error: NodeJS.ErrnoException) => {
    process.stderr.write(`${name}: can not listen on ${host}:${port}: ${error.message}\n`);
    process.exit(1);
  });
  server.listen(port, host, () => {
    const address = server.address();
    const actual = typeof address === 'object' && address ? address.port : port;
    process.stdout.write(
      `${name} ${version} listening on http://${host.includes(':') ? `[${host}]` : host}:${actual}\n`,
    );
  });
  const drain = (): void => {
    if (draining) process.exit(0);
    draining = true;
    server.close(() => process.exit(0));
    server.closeIdleConnections();
    setTimeout(() => process.exit(0), DRAIN_MS).unref();
  };
  process.on('SIGTERM', drain).on('SIGINT', drain);
  // A reader of our output that went away is no reason to end.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
}

/** @param last no further request is wanted on this connection. */
function send(response: ServerResponse, reply: Reply, last: boolean): void {
  response.on('error', () => {});
  response.writeHead(reply.status, {
    'content-type': TYPES[reply.type],
    'content-length': Buffer.byteLength(reply.body),
    ...reply.headers,
    ...(last ? { connection: 'close' } : {}),
  });
  response.end(reply.body);
}

async function replyTo(name: string, handle: Handler, message: IncomingMessage): Promise<Reply> {
  const path = pathOf(message.url ?? '/');
  if (path === undefined) return json(400, { error: 'the request target is not a path' });
  const method = message.method === 'HEAD' ? 'GET' : (message.method ?? 'GET');
  try {
    return await handle({ method, path, message });
  } catch (error) {
    process.stderr.write(
      `${name}: ${message.method} ${path}: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    return json(500, { error: 'internal error' });
  }
}

/** @returns the decoded path without its query. */
function pathOf(target: string): string | undefined {
  try {
    return decodeURIComponent(new URL(target, 'http://localhost').pathname);
  } catch {
    return undefined;
  }
}

/** @returns the number in `/prefix/{number}`: undefined for another path, NaN when it is no number. */
export function idIn(path: string, prefix: string): number | undefined {
  if (!path.startsWith(`/${prefix}/`)) return undefined;
  const text = path.slice(prefix.length + 2);
  if (text.includes('/')) return undefined;
  return /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
}

export const notNumeric = (): Reply => json(400, { error: 'please provide numeric product ID' });
