// The ratings service: how many stars each reviewer gave. It can be told to fail, to try retries and timeouts on it.
import type { IncomingMessage } from 'node:http';
import { parseJson, readText } from './shared/client.ts';
import { OptionError, type ServiceOptions } from './shared/options.ts';
import {
  idIn,
  json,
  methodNotAllowed,
  notFound,
  notNumeric,
  runService,
  type Handler,
  type Reply,
} from './shared/server.ts';

type Ratings = Readonly<Record<string, number>>;

const DEFAULT_RATINGS: Ratings = { Reviewer1: 5, Reviewer2: 4 };
const MAX_PRODUCTS = 10_000;

runService('ratings', create, {
  'fail-percent': 'share of requests answered with 503, 0 to 100 ($FAIL_PERCENT)',
  'fail-first': 'how many requests after the start are answered with 503 ($FAIL_FIRST)',
});

function create(options: ServiceOptions): Handler {
  const failPercent = numberFlag(options, 'fail-percent', 100);
  let failuresLeft = numberFlag(options, 'fail-first', Number.MAX_SAFE_INTEGER);
  const givenById = new Map<number, Ratings>();

  const fails = (): boolean => {
    if (failuresLeft > 0) {
      failuresLeft -= 1;
      return true;
    }
    return Math.random() * 100 < failPercent;
  };

  return async ({ method, path, message }) => {
    if (path === '/health') return json(200, { status: 'Ratings is healthy' });
    const id = idIn(path, 'ratings');
    if (id === undefined) return notFound();
    if (Number.isNaN(id)) return notNumeric();
    if (method !== 'GET' && method !== 'POST') return methodNotAllowed('GET, POST');
    if (fails()) return json(503, { error: 'Ratings service is unavailable' });
    if (method === 'POST') return store(givenById, id, message);
    return json(200, { id, ratings: givenById.get(id) ?? DEFAULT_RATINGS });
  };
}

async function store(givenById: Map<number, Ratings>, id: number, message: IncomingMessage): Promise<Reply> {
  const ratings = parseJson(await readText(message));
  if (!isRatings(ratings))
    return json(400, { error: 'please provide ratings as {"reviewer": stars}, stars from 1 to 5' });
  if (!givenById.has(id) && givenById.size >= MAX_PRODUCTS) return json(507, { error: 'too many products' });
  givenById.set(id, ratings);
  return json(200, { id, ratings });
}

function isRatings(value: unknown): value is Ratings {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every(
    (stars: unknown) => Number.isInteger(stars) && Number(stars) >= 1 && Number(stars) <= 5,
  );
}

function numberFlag(options: ServiceOptions, name: string, max: number): number {
  const text = options.flag(name) ?? '0';
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= max))
    throw new OptionError(`--${name} must be from 0 to ${max}, not "${text}"`);
  return value;
}
