import type { HttpMatchRequest, HttpRoute } from '@weft/contracts/config';
import type { Path } from '../../source/locate.ts';
import { durationMs } from '../duration.ts';
import { shown } from '../formats.ts';
import { headerOperations, isHeaderName, percentage } from './common.ts';
import type { RuleContext } from './rule.ts';

export function httpRoute(route: HttpRoute, path: Path, context: RuleContext): void {
  action(route, path, context);
  for (const [index, match] of (route.match ?? []).entries()) httpMatch(match, [...path, 'match', index], context);
  weights(route, path, context);
  redirect(route, path, context);
  rewrite(route, path, context);
  retries(route, path, context);
  fault(route, path, context);
  mirror(route, path, context);
  cors(route, path, context);
  directResponse(route, path, context);
  headerOperations(route.headers?.request, [...path, 'headers', 'request'], 'request', context);
  headerOperations(route.headers?.response, [...path, 'headers', 'response'], 'response', context);
}

function action(route: HttpRoute, path: Path, { fail }: RuleContext): void {
  const kinds = (['route', 'redirect', 'directResponse', 'delegate'] as const).filter((kind) => {
    const value = route[kind];
    return Array.isArray(value) ? value.length > 0 : value !== undefined;
  });
  if (kinds.length === 0) fail('W0015', path, 'the route does nothing', 'Give route, redirect or directResponse.');
  if (kinds.length > 1) fail('W0015', path, `${kinds.join(' and ')} exclude each other`, 'Keep one of them.');
  const excluded = ['fault', 'rewrite'] as const;
  for (const kind of ['redirect', 'directResponse'] as const) {
    if (route[kind] === undefined) continue;
    for (const other of excluded) {
      if (route[other] !== undefined)
        fail('W0024', [...path, other], `has no place beside ${kind}`, 'Remove one of them.');
    }
  }
}

// These are matched by fields of their own.
const NOT_HEADERS = new Set(['uri', 'scheme', 'method', 'authority']);
const PSEUDO = new Set([':method', ':scheme', ':authority', ':path', ':status']);

function httpMatch(match: HttpMatchRequest, path: Path, { fail, warn, report }: RuleContext): void {
  for (const field of ['scheme', 'method', 'authority'] as const) {
    for (const form of ['prefix', 'regex'] as const) {
      if (match[field]?.[form] === '')
        fail('W0013', [...path, field, form], `an empty ${form} matches everything`, 'Leave the field out.');
    }
  }
  for (const field of ['headers', 'withoutHeaders'] as const) {
    for (const [name, value] of Object.entries(match[field] ?? {})) {
      const where = [...path, field, name];
      if (name.startsWith('@request.auth.claims')) {
        report({
          code: 'W0030',
          severity: 'error',
          path: where,
          at: 'key',
          message: 'matches a claim of a token, and tokens are not checked yet',
          fix: 'Match a header that the application sets.',
        });
      } else if (NOT_HEADERS.has(name.toLowerCase())) {
        warn('W0025', where, `"${name}" is ignored among headers`, `Use the field ${name.toLowerCase()}.`);
      } else if (!PSEUDO.has(name.toLowerCase()) && !isHeaderName(name)) {
        fail('W0021', where, `"${shown(name)}" is not a header name`);
      }
      if (value.prefix === '')
        fail('W0013', [...where, 'prefix'], 'an empty prefix matches everything', 'Write {} to ask for presence.');
    }
  }
  for (const name of Object.keys(match.queryParams ?? {})) {
    if (name === '') fail('W0021', [...path, 'queryParams'], 'a query parameter has an empty name');
  }
}

function weights(route: HttpRoute, path: Path, context: RuleContext): void {
  const destinations = route.route ?? [];
  if (destinations.length > 1 && destinations.every(({ weight = 0 }) => weight === 0)) {
    context.fail(
      'W0014',
      [...path, 'route'],
      'all weights are 0, so no destination would get anything',
      'Give each destination a weight.',
    );
  }
  for (const [index, { destination, weight, headers }] of destinations.entries()) {
    const where = [...path, 'route', index];
    if (destinations.length > 1 && weight === undefined) {
      context.warn(
        'W0025',
        where,
        `"${shown(destination.host)}" has no weight, so it gets no requests`,
        'Give it a weight.',
      );
    }
    headerOperations(headers?.request, [...where, 'headers', 'request'], 'request', context);
    headerOperations(headers?.response, [...where, 'headers', 'response'], 'response', context);
  }
}

const REDIRECT_CODES = [301, 302, 303, 307, 308];

// A request line and a Location hold neither blanks nor control characters.
const NOT_IN_TARGET = /[^\x21-\x7e\x80-\xff]/;

function target(text: string | undefined, where: Path, { fail }: RuleContext): void {
  if (text !== undefined && NOT_IN_TARGET.test(text))
    fail(
      'W0013',
      where,
      `"${shown(text)}" can not stand in a request`,
      'Percent-encode blanks and special characters.',
    );
}

function redirect({ redirect: to, match }: HttpRoute, path: Path, context: RuleContext): void {
  if (to === undefined) return;
  const { fail } = context;
  const where = [...path, 'redirect'];
  for (const field of ['uri', 'prefixRewrite', 'authority'] as const) target(to[field], [...where, field], context);
  const prefixes = (match ?? []).filter((block) => block.uri?.prefix !== undefined);
  if (to.prefixRewrite !== undefined && (prefixes.length === 0 || prefixes.length !== match?.length))
    fail('W0024', [...where, 'prefixRewrite'], 'needs a uri prefix in each match', 'Match by uri.prefix, or give uri.');
  if (Object.keys(to).every((field) => field === 'redirectCode'))
    fail('W0012', where, 'the redirect changes nothing', 'Give uri, authority, scheme or port.');
  if (to.uri !== undefined && to.prefixRewrite !== undefined)
    fail('W0015', where, 'uri and prefixRewrite exclude each other', 'Keep one of them.');
  if (to.scheme !== undefined && !['http', 'https'].includes(to.scheme))
    fail('W0013', [...where, 'scheme'], `"${shown(to.scheme)}" is not http or https`);
  if (to.redirectCode !== undefined && to.redirectCode !== 0 && !REDIRECT_CODES.includes(to.redirectCode)) {
    fail('W0014', [...where, 'redirectCode'], `${to.redirectCode} is not one of ${REDIRECT_CODES.join(', ')}`);
  }
}

function rewrite({ rewrite: to, headers }: HttpRoute, path: Path, context: RuleContext): void {
  const { fail } = context;
  const setsHost = Object.keys(headers?.request?.set ?? {}).some((name) =>
    ['host', ':authority'].includes(name.toLowerCase()),
  );
  if (to === undefined) return;
  const where = [...path, 'rewrite'];
  for (const field of ['uri', 'authority'] as const) target(to[field], [...where, field], context);
  if (Object.keys(to).length === 0)
    fail('W0012', where, 'the rewrite changes nothing', 'Give uri, authority or uriRegexRewrite.');
  if (to.uri !== undefined && to.uriRegexRewrite !== undefined)
    fail('W0015', where, 'uri and uriRegexRewrite exclude each other', 'Keep one of them.');
  if (
    to.uriRegexRewrite !== undefined &&
    (to.uriRegexRewrite.match === undefined || to.uriRegexRewrite.rewrite === undefined)
  ) {
    fail('W0012', [...where, 'uriRegexRewrite'], 'needs both match and rewrite');
  }
  if (to.authority !== undefined && setsHost)
    fail('W0024', [...where, 'authority'], 'Host is set twice: here and in headers.request.set', 'Keep one of them.');
}

const RETRY_ON = new Set([
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'envoy-ratelimited',
  'retriable-4xx',
  'refused-stream',
  'retriable-status-codes',
  'retriable-headers',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
]);

function retries({ retries: policy }: HttpRoute, path: Path, { fail }: RuleContext): void {
  if (policy === undefined) return;
  const where = [...path, 'retries'];
  const others = Object.keys(policy).filter((field) => field !== 'attempts');
  if ((policy.attempts ?? 0) === 0 && others.length > 0) {
    fail(
      'W0024',
      where,
      `attempts is 0, so ${others.join(', ')} would have no effect`,
      'Give attempts, or remove the others.',
    );
  }
  if (policy.retryOn === undefined || policy.retryOn === '') return;
  for (const condition of policy.retryOn.split(',')) {
    const status = /^\d{3}$/.test(condition) ? Number(condition) : 0;
    if (RETRY_ON.has(condition) || (status >= 100 && status <= 599)) continue;
    fail(
      'W0013',
      [...where, 'retryOn'],
      `"${shown(condition)}" is no retry condition`,
      'Join conditions by commas, without blanks.',
    );
  }
}

const GRPC_STATUS = new Set(
  (
    'OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED ' +
    'FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED'
  ).split(' '),
);

function fault({ fault: injected }: HttpRoute, path: Path, context: RuleContext): void {
  if (injected === undefined) return;
  const where = [...path, 'fault'];
  const { delay, abort } = injected;
  if (delay === undefined && abort === undefined)
    context.fail('W0012', where, 'the fault does nothing', 'Give delay or abort.');
  for (const [kind, part] of Object.entries({ delay, abort })) {
    if (part === undefined) continue;
    percentage(part.percentage?.value, [...where, kind, 'percentage', 'value'], context);
    if ((part.percentage?.value ?? 0) === 0) {
      context.warn(
        'W0025',
        [...where, kind],
        'without a percentage no request is affected',
        'Give percentage.value, for example 100.',
      );
    }
  }
  if (abort === undefined) return;
  const { httpStatus, grpcStatus, http2Error } = abort;
  if (httpStatus === undefined && grpcStatus === undefined && http2Error === undefined) {
    context.warn(
      'W0025',
      [...where, 'abort'],
      'without httpStatus or grpcStatus nothing is aborted',
      'Give one of them.',
    );
  }
  if (grpcStatus !== undefined && !GRPC_STATUS.has(grpcStatus)) {
    context.fail(
      'W0013',
      [...where, 'abort', 'grpcStatus'],
      `"${shown(grpcStatus)}" is no gRPC status`,
      'Use a name such as UNAVAILABLE.',
    );
  }
}

function mirror(route: HttpRoute, path: Path, context: RuleContext): void {
  if (route.mirror !== undefined && (route.mirrors?.length ?? 0) > 0) {
    context.fail('W0015', path, 'mirror and mirrors exclude each other', 'Keep mirrors.');
  }
  if (route.mirrorPercentage !== undefined && route.mirror === undefined) {
    context.warn(
      'W0025',
      [...path, 'mirrorPercentage'],
      'has no effect without mirror',
      'Give mirror, or a percentage in mirrors.',
    );
  }
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', '*']);

function cors({ corsPolicy }: HttpRoute, path: Path, { fail }: RuleContext): void {
  if (corsPolicy === undefined) return;
  const where = [...path, 'corsPolicy'];
  for (const [index, method] of (corsPolicy.allowMethods ?? []).entries()) {
    if (!METHODS.has(method))
      fail('W0013', [...where, 'allowMethods', index], `"${shown(method)}" is no method`, 'Methods are in capitals.');
  }
  for (const field of ['allowHeaders', 'exposeHeaders'] as const) {
    for (const [index, name] of (corsPolicy[field] ?? []).entries()) {
      if (name !== '*' && !isHeaderName(name))
        fail('W0021', [...where, field, index], `"${shown(name)}" is not a header name`);
    }
  }
  for (const [index, origin] of (corsPolicy.allowOrigins ?? []).entries()) {
    if ([origin.exact, origin.prefix].includes(''))
      fail('W0013', [...where, 'allowOrigins', index], 'an empty pattern matches nothing useful');
  }
  const ageMs = corsPolicy.maxAge === undefined ? undefined : durationMs(corsPolicy.maxAge);
  if (ageMs !== undefined && ageMs % 1000 !== 0)
    fail('W0016', [...where, 'maxAge'], 'is not a whole number of seconds');
}

function directResponse({ directResponse: reply }: HttpRoute, path: Path, { fail, warn }: RuleContext): void {
  const { string, bytes } = reply?.body ?? {};
  const size = Math.max(Buffer.byteLength(string ?? ''), Math.floor(((bytes ?? '').length * 3) / 4));
  if (size > 1_048_576) fail('W0014', [...path, 'directResponse', 'body'], `is ${size} bytes; 1 MiB is allowed`);
  else if (size > 102_400)
    warn('W0025', [...path, 'directResponse', 'body'], `is ${size} bytes, and every proxy holds it in memory`);
}
