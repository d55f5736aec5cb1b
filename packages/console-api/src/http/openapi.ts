/** The published document (OpenAPI 3.1), made from the routes themselves. Pure. */
import { ErrorSchema } from '@weft/contracts/console-schemas';
import type { TObject, TSchema } from 'typebox';
import type { Route } from './route.ts';

export function buildOpenApi(routes: readonly Route[], version: string): unknown {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const path = `/api/v1${route.path.replaceAll(/:(\w+)/g, '{$1}')}`;
    (paths[path] ??= {})[route.method.toLowerCase()] = operation(route);
  }
  paths['/api/v1/events'] = { get: eventsOperation() };
  return {
    openapi: '3.1.0',
    info: {
      title: 'Weft console API',
      version,
      description: 'Reads need no token on loopback. Writes need the token, the Unix socket, or a browser session.',
    },
    paths,
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'The token in the state folder.' },
        session: { type: 'apiKey', in: 'cookie', name: 'weft_session', description: 'From `weft dashboard`.' },
      },
      schemas: { Error: plain(ErrorSchema) },
    },
  };
}

function operation({ summary, access, params, query, body, response }: Route): unknown {
  return {
    summary,
    parameters: [...parameters(params, 'path'), ...parameters(query, 'query')],
    ...(body ? { requestBody: { required: true, content: { 'application/json': { schema: plain(body) } } } } : {}),
    ...(access === 'write' ? { security: [{ token: [] }, { session: [] }] } : {}),
    responses: {
      200: { description: 'The answer.', content: { 'application/json': { schema: plain(response) } } },
      default: {
        description: 'Why not.',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    },
  };
}

function parameters({ properties, required }: TObject, where: 'path' | 'query'): readonly unknown[] {
  const needed = new Set<string>(required ?? []);
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: where,
    required: where === 'path' || needed.has(name),
    schema: plain(schema),
  }));
}

/** The schema without what the library keeps for itself. */
const plain = (schema: TSchema): unknown => JSON.parse(JSON.stringify(schema));

const eventsOperation = (): unknown => ({
  summary: 'Live picture of the mesh: server-sent events `graph`, `config`, `proxies`.',
  parameters: [
    { name: 'windowMs', in: 'query', required: false, schema: { type: 'integer' } },
    { name: 'namespace', in: 'query', required: false, schema: { type: 'string' } },
  ],
  responses: { 200: { description: 'A stream that does not end.', content: { 'text/event-stream': {} } } },
});
