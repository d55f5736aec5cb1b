/** A route as a value: fastify, the published document and the checks are all made from it. */
import { type Static, type TObject, type TSchema, Type } from 'typebox';

/** `read`: loopback may without a token. `write`: token, session or Unix socket. `enter`: how a browser gets its session. */
export type Access = 'read' | 'write' | 'enter';

/** How a writer showed that it may. */
export type Writer = 'token' | 'session' | 'unix-socket';

export interface Asked<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly caller: Caller;
}

export interface Caller {
  readonly writer: Writer | undefined;
  /** Id of the browser's session, when it has a living one. */
  readonly sessionId: string | undefined;
  setCookie(value: string): void;
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** With `:name` parameters, after `/api/v1`. */
  readonly path: string;
  readonly summary: string;
  readonly access: Access;
  readonly params: TObject;
  readonly query: TObject;
  readonly body: TSchema | undefined;
  readonly response: TSchema;
  readonly handle: (asked: Asked<never, never, never>) => unknown;
}

const NOTHING = Type.Object({}, { additionalProperties: false });

interface RouteSpec<P extends TObject, Q extends TObject, B extends TSchema, R extends TSchema> {
  readonly summary: string;
  readonly access?: Access;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly response: R;
  readonly handle: (asked: Asked<Static<P>, Static<Q>, Static<B>>) => ReadonlyAnswer<R> | Promise<ReadonlyAnswer<R>>;
}

type ReadonlyAnswer<R extends TSchema> = Frozen<Static<R>>;
type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Frozen<T[Key]> }
    : T;

/** Checks a handler against its schemas and forgets them: the answer's type is the response schema's. */
export function route<R extends TSchema, P extends TObject, Q extends TObject, B extends TSchema>(
  method: Route['method'],
  path: string,
  spec: RouteSpec<P, Q, B, R>,
): Route {
  return {
    method,
    path,
    summary: spec.summary,
    access: spec.access ?? (method === 'GET' ? 'read' : 'write'),
    params: spec.params ?? NOTHING,
    query: spec.query ?? NOTHING,
    body: spec.body,
    response: spec.response,
    handle: spec.handle,
  };
}

const NAME_PATTERN = '^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$';

/** A Kubernetes name: lower case letters, digits, `-` and `.`. */
export const Name = Type.String({ pattern: NAME_PATTERN, maxLength: 253 });
export const ObjectParams = Type.Object({ ns: Name, name: Name });

export const MAX_PAGE = 500;
export const paging = {
  offset: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000, description: 'Rows to pass over.' })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_PAGE, description: 'Rows to answer; default 100.' })),
};
export const search = {
  text: Type.Optional(Type.String({ maxLength: 200, description: 'Part of the name.' })),
  namespace: Type.Optional(Name),
};

const DEFAULT_PAGE = 100;

export interface PageQuery {
  readonly offset?: number;
  readonly limit?: number;
}

export function pageOf<T>(items: readonly T[], query: PageQuery) {
  const { offset = 0, limit = DEFAULT_PAGE } = query;
  return { items: items.slice(offset, offset + limit), total: items.length, offset, limit };
}

export const matchesText = (name: string, text: string | undefined): boolean =>
  text === undefined || name.toLowerCase().includes(text.toLowerCase());
