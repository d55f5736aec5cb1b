// The reviews service. v1 shows no stars; v2 asks ratings and shows black stars; v3 shows red ones and waits less for them.
import { createJsonClient, type CallResult } from './shared/client.ts';
import { forwardedHeaders } from './shared/headers.ts';
import { OptionError, type ServiceOptions } from './shared/options.ts';
import { idIn, json, methodNotAllowed, notFound, notNumeric, runService, type Handler } from './shared/server.ts';

interface RatingStyle {
  readonly color: string;
  readonly timeoutMs: number;
}

// v2 waits longer than productpage does: the bug that the fault injection task finds. v3 has it mended.
const STYLES: ReadonlyMap<string, RatingStyle | undefined> = new Map([
  ['v1', undefined],
  ['v2', { color: 'black', timeoutMs: 10_000 }],
  ['v3', { color: 'red', timeoutMs: 2_500 }],
]);

const REVIEWS = [
  {
    reviewer: 'Reviewer1',
    text: 'Two pairs of twins, one town, and a whole day of everybody talking to the wrong brother. I laughed out loud on the train.',
  },
  {
    reviewer: 'Reviewer2',
    text: 'Quick, silly and cleverly built. It has less depth than the great comedies, but not one slow scene.',
  },
] as const;

type Rating = { readonly stars: number; readonly color: string } | { readonly error: string };

runService('reviews', create);

function create(options: ServiceOptions): Handler {
  if (!STYLES.has(options.version)) {
    throw new OptionError(`the version is one of ${[...STYLES.keys()].join(', ')}, not "${options.version}"`);
  }
  const style = STYLES.get(options.version);
  const ratings = options.upstream('ratings');
  const client = createJsonClient();
  return async ({ method, path, message }) => {
    if (path === '/health') return json(200, { status: 'Reviews is healthy' });
    const id = idIn(path, 'reviews');
    if (id === undefined) return notFound();
    if (method !== 'GET') return methodNotAllowed('GET');
    if (Number.isNaN(id)) return notNumeric();
    const call = style && {
      url: new URL(`/ratings/${id}`, ratings),
      headers: forwardedHeaders(message.headers),
      timeoutMs: style.timeoutMs,
    };
    const answered = call && (await client.get(call));
    return json(200, {
      id: String(id),
      podname: options.instance,
      version: options.version,
      reviews: REVIEWS.map((review) => ({
        ...review,
        ...(style && answered ? { rating: ratingOf(answered, review.reviewer, style) } : {}),
      })),
    });
  };
}

function ratingOf(answered: CallResult, reviewer: string, { color }: RatingStyle): Rating {
  const stars = answered.ok && answered.status === 200 ? starsIn(answered.body, reviewer) : undefined;
  return stars === undefined ? { error: 'Ratings service is currently unavailable' } : { stars, color };
}

function starsIn(body: unknown, reviewer: string): number | undefined {
  const ratings: unknown = isObject(body) ? body['ratings'] : undefined;
  const stars: unknown = isObject(ratings) ? ratings[reviewer] : undefined;
  return typeof stars === 'number' ? stars : undefined;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
