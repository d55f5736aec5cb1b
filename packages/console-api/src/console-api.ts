/** The API behind console and CLI: sources in, JSON over HTTP out. Wiring only; decisions are in http/, views/ and health/. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Clock, type Logger, type Random, systemRandom } from '@weft/kit';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, type InjectOptions } from 'fastify';
import { ApiError, errorBody } from './errors.ts';
import { createEventStreams } from './http/events.ts';
import { admit, type Admission, visitorOf } from './http/gate.ts';
import { listenTcp, listenUnix } from './http/listeners.ts';
import { buildOpenApi } from './http/openapi.ts';
import { LOOPBACK_NAMES } from './http/origin.ts';
import { createRateLimit } from './http/rate-limit.ts';
import { expectedError } from './http/refusals.ts';
import type { Access, Caller, Route } from './http/route.ts';
import { SECURITY_HEADERS } from './http/security-headers.ts';
import { loadStaticFiles, type StaticFiles } from './http/static-files.ts';
import { type ConsoleApiOptions, DEFAULT_OPTIONS } from './options.ts';
import type { ConsoleSources } from './ports.ts';
import { configRoutes } from './routes/config.ts';
import { readRoutes } from './routes/reads.ts';
import { sessionRoutes } from './routes/session.ts';
import { telemetryRoutes } from './routes/telemetry.ts';
import { createBearerCheck } from './session/bearer.ts';
import { createSessions } from './session/sessions.ts';
import { buildGraph } from './views/graph.ts';
import { takePicture } from './views/picture.ts';
import { withAges } from './views/sync-ages.ts';

export interface ConsoleApiDeps {
  readonly sources: ConsoleSources;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What a writer over TCP must know; at least 32 characters. */
  readonly token: string;
  /** The built console. Without it only the API is served. */
  readonly staticDir?: string;
  /** Host names beside those of loopback, without port. */
  readonly allowedHosts?: readonly string[];
  /** `https` when TLS ends in front of this server; then cookies are `Secure`. */
  readonly scheme?: 'http' | 'https';
  readonly random?: Random;
  readonly options?: Partial<ConsoleApiOptions>;
}

export interface ConsoleApi {
  /** `fd` is a listening socket of the parent, already bound there. @returns the actual address. @throws {WeftError} `WEFT_PORT_TAKEN`. */
  listen(where: {
    readonly host: string;
    readonly port: number;
    readonly fd?: number;
  }): Promise<{ readonly host: string; readonly port: number }>;
  /** A socket with mode 0600; who can open it may write. @throws {WeftError} `WEFT_SOCKET_TAKEN`. */
  listenUnix(path: string): Promise<void>;
  /** Ends live streams, finishes what is being answered, closes all doors. */
  close(): Promise<void>;
  /** A request without a socket, for tests. Counts as TCP from 127.0.0.1 unless `remoteAddress` says otherwise. */
  inject(request: InjectOptions): Promise<InjectedResponse>;
}

export interface InjectedResponse {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, number | string | string[] | undefined>>;
  readonly body: string;
  json<T = unknown>(): T;
}

const CHANGE_COALESCE_MS = 200;
const CLOSE_GRACE_MS = 2_000;
const REQUEST_ID_BYTES = 8;

export async function createConsoleApi(deps: ConsoleApiDeps): Promise<ConsoleApi> {
  const { clock, logger, token, scheme = 'http', random = systemRandom } = deps;
  const sources = { ...deps.sources, proxies: withAges(deps.sources.proxies, clock) };
  const options: ConsoleApiOptions = { ...DEFAULT_OPTIONS, ...deps.options };
  const sessions = createSessions(clock, random, options);
  const gate = {
    bearer: createBearerCheck(clock, token, options.maxWrongTokens),
    sessions,
    rate: createRateLimit(clock, options.requestsPerSecond, options.requestBurst),
    allowedHosts: new Set([...LOOPBACK_NAMES, ...(deps.allowedHosts ?? []).map((host) => host.toLowerCase())]),
    scheme,
  };
  const files = deps.staticDir === undefined ? undefined : await loadStaticFiles(deps.staticDir);
  const trusted = new WeakSet<IncomingMessage>();
  const admissions = new WeakMap<FastifyRequest, Admission>();
  const newRequestId = (): string => Buffer.from(random.bytes(REQUEST_ID_BYTES)).toString('hex');

  const streams = createEventStreams({
    clock,
    intervalMs: options.streamIntervalMs,
    stallMs: options.streamStallMs,
    maxStreams: options.maxStreams,
    draw: (view) => {
      const [windowMs, namespace] = view.split('|');
      const picture = takePicture(sources, clock.now(), Number(windowMs));
      const limits = { maxNodes: options.maxGraphNodes, maxEdges: options.maxGraphEdges };
      return JSON.stringify(buildGraph(picture, limits, namespace ? [namespace] : []));
    },
    greeting: () => [],
    onError: (error) => logger.error({ err: error }, 'the live graph could not be drawn'),
  });
  const unsubscribe = [
    coalesced(clock, sources.config.subscribe, () => streams.tell('config', { at: clock.now() })),
    coalesced(clock, sources.proxies.subscribe, () => {
      // Looked at even when nobody asks, so that ages begin when a state does.
      sources.proxies.list();
      streams.tell('proxies', { at: clock.now() });
    }),
    coalesced(clock, sources.registry.subscribe, () => streams.tell('registry', { at: clock.now() })),
  ];

  const app = fastify({
    bodyLimit: options.bodyLimitBytes,
    logger: false,
    exposeHeadRoutes: false,
    genReqId: newRequestId,
    routerOptions: { maxParamLength: 512, ignoreTrailingSlash: false },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: true, allErrors: false } },
    frameworkErrors: (error, request, reply: FastifyReply) => {
      reply.headers(SECURITY_HEADERS);
      answerError(error, request, reply);
    },
  });
  app.removeContentTypeParser('text/plain');

  function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const known = expectedError(error);
    // Paths and peers' words stay out of answers; the log has them under the same id.
    if (!known) logger.error({ requestId: request.id, err: error }, 'a request could not be answered');
    const shown =
      known ?? new ApiError(500, 'internal', 'Something went wrong inside.', { hint: 'The log has this request id.' });
    if (shown.options.retryAfterS !== undefined) reply.header('retry-after', shown.options.retryAfterS);
    if (shown.status === 401) reply.header('www-authenticate', 'Bearer realm="weft"');
    reply.code(shown.status).header('cache-control', 'no-store').type('application/json; charset=utf-8');
    void reply.send(JSON.stringify(errorBody(shown, request.id)));
  }
  app.setErrorHandler(answerError);

  app.addHook('onRequest', (request, reply, next) => {
    reply.headers(SECURITY_HEADERS).header('x-request-id', request.id);
    const { access } = request.routeOptions.config as { readonly access?: Access };
    try {
      admissions.set(request, admit(visitorOf(request.raw, trusted.has(request.raw)), access ?? 'read', gate));
      next();
    } catch (error) {
      next(error as Error);
    }
  });

  const routes = [
    ...readRoutes({ sources, clock, options }),
    ...telemetryRoutes({ sources, clock, options }),
    ...configRoutes(sources.config, logger),
    ...sessionRoutes(sessions, scheme === 'https'),
  ];
  const callerOf = (request: FastifyRequest, reply: FastifyReply): Caller => {
    const { writer, sessionId } = admissions.get(request) ?? { writer: undefined, sessionId: undefined };
    return { writer, sessionId, setCookie: (value) => void reply.header('set-cookie', value) };
  };
  for (const item of routes) register(app, item, callerOf);

  const published = JSON.stringify(buildOpenApi(routes, sources.mesh.info().version));
  app.get('/api/openapi.json', (_request, reply) => reply.type('application/json; charset=utf-8').send(published));

  app.get(
    '/api/v1/events',
    {
      schema: {
        querystring: {
          type: 'object',
          additionalProperties: false,
          properties: {
            windowMs: {
              type: 'integer',
              minimum: 5000,
              maximum: options.maxWindowMs,
              default: options.defaultWindowMs,
            },
            namespace: { type: 'string', pattern: '^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$' },
          },
        },
      },
    },
    (request, reply) => {
      const { windowMs, namespace = '' } = request.query as { readonly windowMs: number; readonly namespace?: string };
      if (streams.size >= options.maxStreams)
        throw new ApiError(503, 'too-many-streams', 'Too many live views are open.', {
          retryAfterS: 10,
          hint: 'Close one.',
        });
      for (const [name, value] of Object.entries(reply.getHeaders()))
        if (value !== undefined) reply.raw.setHeader(name, value);
      reply.hijack();
      streams.open(reply.raw, `${windowMs}|${namespace}`);
    },
  );

  app.setNotFoundHandler((request, reply) => {
    const sent = files && serveFile(files, request, reply);
    if (!sent)
      throw new ApiError(404, 'not-found', 'There is nothing at this path.', { hint: 'See /api/openapi.json.' });
  });
  await app.ready();

  const servers: Server[] = [];
  const answer = (request: IncomingMessage, response: ServerResponse): void => app.routing(request, response);
  return {
    async listen({ host, port, fd }) {
      const server = await listenTcp(answer, host, port, fd);
      servers.push(server);
      const { address, port: actual } = server.address() as AddressInfo;
      logger.info({ host: address, port: actual }, 'console API listens');
      return { host: address, port: actual };
    },
    async listenUnix(path) {
      const trusting = (request: IncomingMessage, response: ServerResponse): void => {
        trusted.add(request);
        answer(request, response);
      };
      servers.push(await listenUnix(trusting, path));
      logger.info({ path }, 'console API listens on a Unix socket');
    },
    async close() {
      for (const end of unsubscribe) end();
      streams.close();
      await Promise.all(servers.map((server) => closeServer(server)));
      await app.close();
    },
    inject: async (request) => {
      const response = await app.inject(request);
      const { statusCode, headers, body } = response;
      return { statusCode, headers, body, json: <T>(): T => response.json<T>() };
    },
  };
}

function register(
  app: FastifyInstance,
  item: Route,
  callerOf: (request: FastifyRequest, reply: FastifyReply) => Caller,
): void {
  app.route({
    method: item.method,
    url: `/api/v1${item.path}`,
    config: { access: item.access },
    schema: {
      params: item.params,
      querystring: item.query,
      ...(item.body ? { body: item.body } : {}),
      // Answers are written by schema: a field that is not in it can not get out.
      response: { 200: item.response },
    },
    handler: async (request, reply) => {
      reply.header('cache-control', 'no-store');
      const asked = {
        params: request.params,
        query: request.query,
        body: request.body,
        caller: callerOf(request, reply),
      };
      return item.handle(asked as never);
    },
  });
}

/** @returns false when there is no such file. */
function serveFile(files: StaticFiles, request: FastifyRequest, reply: FastifyReply): boolean {
  const { method, url } = request.raw;
  if (method !== 'GET' && method !== 'HEAD') return false;
  const path = (url ?? '/').split('?', 1)[0] ?? '/';
  const found = files.find(path);
  // A person gets the page that says so; a program gets JSON.
  const wantsPage = (request.headers.accept ?? '').includes('text/html');
  const file = found ?? (wantsPage ? files.missing(path) : undefined);
  if (!file) return false;
  if (!found) reply.code(404);
  const zipped = file.gzipped && /\bgzip\b/.test(request.headers['accept-encoding'] ?? '') ? file.gzipped : undefined;
  reply
    .type(file.type)
    .header('etag', file.etag)
    .header('vary', 'accept-encoding')
    .header('cache-control', file.immutable ? 'public, max-age=31536000, immutable' : 'no-cache');
  if (found && request.headers['if-none-match'] === file.etag) {
    void reply.code(304).send();
    return true;
  }
  if (zipped) reply.header('content-encoding', 'gzip');
  const body = zipped ?? file.body;
  if (method === 'HEAD') void reply.header('content-length', body.length).send();
  else void reply.send(body);
  return true;
}

/** Many changes at once become one piece of news. */
function coalesced(clock: Clock, subscribe: (changed: () => void) => () => void, tell: () => void): () => void {
  let timer: ReturnType<Clock['after']> | undefined;
  const end = subscribe(() => {
    timer ??= clock.after(CHANGE_COALESCE_MS, () => {
      timer = undefined;
      tell();
    });
  });
  return () => {
    timer?.cancel();
    end();
  };
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
    cut.unref();
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}
