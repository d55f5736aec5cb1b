import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FORWARDED_HEADERS } from './shared/headers.ts';
import { buildPrograms, serviceAt, standIn, type Programs, type Running } from './testing/programs.ts';

// A port that nothing listens on: connections are refused at once.
const NOBODY = 'http://127.0.0.1:1';
let programs: Programs;
let details: Running;
let ratings: Running;
let reviews: Record<'v1' | 'v2' | 'v3', Running>;

beforeAll(async () => {
  programs = buildPrograms();
  [details, ratings] = await Promise.all([programs.start('details'), programs.start('ratings')]);
  const version = (name: string): Promise<Running> =>
    programs.start('reviews', { SERVICE_VERSION: name, ...serviceAt('ratings', ratings.url) });
  const [v1, v2, v3] = await Promise.all([version('v1'), version('v2'), version('v3')]);
  reviews = { v1, v2, v3 };
});

afterAll(() => programs.close());

const pageWith = (urls: { details?: string; reviews?: string; ratings?: string } = {}): Promise<Running> =>
  programs.start('productpage', {
    ...serviceAt('details', urls.details ?? details.url),
    ...serviceAt('reviews', urls.reviews ?? reviews.v1.url),
    ...serviceAt('ratings', urls.ratings ?? ratings.url),
  });

const getJson = async (url: string): Promise<{ status: number; body: unknown }> => {
  const response = await fetch(url);
  return { status: response.status, body: await response.json() };
};

const getText = async (url: string, headers: Record<string, string> = {}): Promise<string> =>
  (await fetch(url, { headers })).text();

describe('the product page', () => {
  it('shows the book, its details and its reviews', async () => {
    const { url } = await pageWith();
    const response = await fetch(`${url}/productpage`);
    const text = await response.text();
    expect(response.status).toBe(200);
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(text).toContain('<title>Simple Bookstore App</title>');
    expect(text).toContain('The Comedy of Errors');
    expect(text).toContain('Book details');
    expect(text).toContain('Reviewer1');
    expect(text).toContain('<code>reviews-v1</code>');
    expect(text).not.toContain('class="stars');
  });

  it.each([
    ['v2', 'black'],
    ['v3', 'red'],
  ] as const)('shows stars in the color of reviews %s', async (version, color) => {
    const { url } = await pageWith({ reviews: reviews[version].url });
    const text = await getText(`${url}/productpage`);
    expect(text).toContain(`class="stars ${color}" role="img" aria-label="5 of 5 stars"`);
    expect(text).toContain('aria-label="4 of 5 stars"');
  });

  it('serves its stylesheet, cover and front page', async () => {
    const { url } = await pageWith();
    for (const [path, type] of [
      ['/static/bookinfo.css', 'text/css'],
      ['/static/cover.svg', 'image/svg+xml'],
      ['/', 'text/html'],
    ]) {
      const response = await fetch(`${url}${path}`);
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toContain(type);
    }
  });

  it('says which part is missing when a service does not answer', async () => {
    const { url } = await pageWith({ details: NOBODY, reviews: NOBODY });
    const text = await getText(`${url}/productpage`);
    expect(text).toContain('Error fetching product details!');
    expect(text).toContain('Sorry, product details are currently unavailable for this book.');
    expect(text).toContain('Error fetching product reviews!');
    expect(text).toContain('Sorry, product reviews are currently unavailable for this book.');
  });

  it('asks for reviews a second time, and for details once', async () => {
    let asked = 0;
    const flaky = await standIn((_, response) => {
      asked += 1;
      response.writeHead(asked === 1 ? 500 : 200).end(JSON.stringify({ reviews: [] }));
    });
    const broken = await standIn((_, response) => response.writeHead(500).end('{}'));
    const { url } = await pageWith({ reviews: flaky.url, details: broken.url });
    const text = await getText(`${url}/productpage`);
    expect(asked).toBe(2);
    expect(broken.requests).toHaveLength(1);
    expect(text).not.toContain('Error fetching product reviews!');
    expect(text).toContain('Error fetching product details!');
    flaky.close();
    broken.close();
  });

  it('gives up on reviews after six seconds when ratings takes seven', async () => {
    const slow = await standIn((_, response) => void setTimeout(() => response.end('{}'), 7_000).unref());
    const v2 = await programs.start('reviews', { SERVICE_VERSION: 'v2', ...serviceAt('ratings', slow.url) });
    const { url } = await pageWith({ reviews: v2.url });
    const startMs = performance.now();
    const text = await getText(`${url}/productpage`);
    const seconds = (performance.now() - startMs) / 1000;
    expect(text).toContain('Sorry, product reviews are currently unavailable for this book.');
    expect(seconds).toBeGreaterThan(5.9);
    expect(seconds).toBeLessThan(6.9);
    slow.close();
  });

  it('escapes what services answer', async () => {
    const hostile = await standIn((_, response) =>
      response.end(JSON.stringify({ podname: '"><script>x', reviews: [{ reviewer: '<b>', text: '<img src=x>' }] })),
    );
    const { url } = await pageWith({ reviews: hostile.url });
    const text = await getText(`${url}/productpage`);
    expect(text).not.toMatch(/<script|<b>|<img src=x/);
    expect(text).toContain('&lt;img src=x&gt;');
    hostile.close();
  });
});

describe('signing in', () => {
  const signIn = (url: string, form: Record<string, string>): Promise<Response> =>
    fetch(`${url}/login`, { method: 'POST', body: new URLSearchParams(form), redirect: 'manual' });

  it('remembers the user and sends the name along as end-user', async () => {
    const seen = await standIn((_, response) => response.end(JSON.stringify({ reviews: [] })));
    const { url } = await pageWith({ reviews: seen.url });
    const answer = await signIn(url, { username: 'jason', passwd: '' });
    expect(answer.status).toBe(302);
    expect(answer.headers.get('location')).toBe('/productpage');
    const cookie = answer.headers.get('set-cookie') ?? '';
    expect(cookie).toMatch(/HttpOnly; SameSite=Lax/);
    const text = await getText(`${url}/productpage`, { cookie: cookie.split(';')[0] ?? '', 'end-user': 'somebody' });
    expect(text).toContain('<span>jason</span> <a href="/logout">Sign out</a>');
    expect(seen.requests.at(-1)?.headers['end-user']).toBe('jason');
    const out = await fetch(`${url}/logout`, { redirect: 'manual' });
    expect(out.headers.get('set-cookie')).toContain('Max-Age=0');
    seen.close();
  });

  it.each(['', ' ', 'a b', '<script>', 'x'.repeat(65), 'jason\r\nx: y'])('refuses the name %j', async (username) => {
    const { url } = await pageWith();
    const answer = await signIn(url, { username });
    expect(answer.status).toBe(400);
    expect(answer.headers.get('set-cookie')).toBeNull();
  });
});

describe('the JSON API', () => {
  it('lists products and answers for one', async () => {
    const { url } = await pageWith({ reviews: reviews.v3.url });
    const products = await getJson(`${url}/api/v1/products`);
    expect(products.body).toMatchObject([{ id: 0, title: 'The Comedy of Errors' }]);
    expect((await getJson(`${url}/api/v1/products/0`)).body).toMatchObject({ id: 0, author: 'William Shakespeare' });
    expect((await getJson(`${url}/api/v1/products/0/reviews`)).body).toMatchObject({
      id: '0',
      podname: 'reviews-v3',
      reviews: [
        { reviewer: 'Reviewer1', rating: { stars: 5, color: 'red' } },
        { reviewer: 'Reviewer2', rating: { stars: 4, color: 'red' } },
      ],
    });
    expect((await getJson(`${url}/api/v1/products/0/ratings`)).body).toEqual({
      id: 0,
      ratings: { Reviewer1: 5, Reviewer2: 4 },
    });
  });

  it("hands on a service's failure status with a text of its own", async () => {
    const denied = await standIn((_, response) => response.writeHead(403).end('RBAC: access denied'));
    const { url } = await pageWith({ ratings: denied.url });
    expect(await getJson(`${url}/api/v1/products/0/ratings`)).toEqual({
      status: 403,
      body: { error: 'Sorry, product ratings are currently unavailable for this book.' },
    });
    denied.close();
  });

  it('knows no other paths and methods', async () => {
    const { url } = await pageWith();
    expect((await fetch(`${url}/api/v1/products/x`)).status).toBe(404);
    expect((await fetch(`${url}/nowhere`)).status).toBe(404);
    expect((await fetch(`${url}/productpage`, { method: 'DELETE' })).status).toBe(405);
    expect((await fetch(`${url}/login`)).status).toBe(405);
  });
});

describe('reviews', () => {
  it('says so when ratings does not answer, and still shows the reviews', async () => {
    const v2 = await programs.start('reviews', { SERVICE_VERSION: 'v2', ...serviceAt('ratings', NOBODY) });
    const { status, body } = await getJson(`${v2.url}/reviews/0`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      reviews: [
        { reviewer: 'Reviewer1', rating: { error: 'Ratings service is currently unavailable' } },
        { reviewer: 'Reviewer2', rating: { error: 'Ratings service is currently unavailable' } },
      ],
    });
    const { url } = await pageWith({ reviews: v2.url });
    expect(await getText(`${url}/productpage`)).toContain('Ratings service is currently unavailable');
  });

  it('v3 waits two and a half seconds for ratings', async () => {
    const silent = await standIn(() => {});
    const v3 = await programs.start('reviews', { SERVICE_VERSION: 'v3', ...serviceAt('ratings', silent.url) });
    const startMs = performance.now();
    const { body } = await getJson(`${v3.url}/reviews/0`);
    expect((performance.now() - startMs) / 1000).toBeCloseTo(2.5, 0);
    expect(JSON.stringify(body)).toContain('Ratings service is currently unavailable');
    silent.close();
  });
});

describe('every service', () => {
  it('passes trace, user and credentials on to those it calls', async () => {
    const seen = await standIn((_, response) => response.end(JSON.stringify({ ratings: { Reviewer1: 1 } })));
    const v2 = await programs.start('reviews', { SERVICE_VERSION: 'v2', ...serviceAt('ratings', seen.url) });
    const { url } = await pageWith({ reviews: v2.url });
    const sent = Object.fromEntries(FORWARDED_HEADERS.map((name) => [name, `value-of-${name}`]));
    await getText(`${url}/productpage`, { ...sent, 'x-not-for-others': '1' });
    expect(seen.requests[0]?.headers).toMatchObject(sent);
    expect(seen.requests[0]?.headers).not.toHaveProperty('x-not-for-others');
  });

  it('tells that it is healthy', async () => {
    const { url } = await pageWith();
    expect(await getText(`${url}/health`)).toBe('Product page is healthy');
    expect((await getJson(`${details.url}/health`)).body).toEqual({ status: 'Details is healthy' });
    expect((await getJson(`${reviews.v1.url}/health`)).body).toEqual({ status: 'Reviews is healthy' });
    expect((await getJson(`${ratings.url}/health`)).body).toEqual({ status: 'Ratings is healthy' });
  });

  it.each(['details', 'reviews', 'ratings'] as const)('%s wants a number', async (name) => {
    const { url } = { details, reviews: reviews.v1, ratings }[name];
    expect((await getJson(`${url}/${name}/abc`)).status).toBe(400);
  });

  it('answers what is under way before it ends on SIGTERM', async () => {
    const slow = await standIn((_, response) => void setTimeout(() => response.end('{"ratings":{}}'), 400));
    const v2 = await programs.start('reviews', { SERVICE_VERSION: 'v2', ...serviceAt('ratings', slow.url) });
    const answer = fetch(`${v2.url}/reviews/0`);
    while (slow.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    const ended = once(v2.child, 'exit');
    v2.child.kill('SIGTERM');
    expect((await answer).status).toBe(200);
    expect(await ended).toEqual([0, null]);
    slow.close();
  });

  it('refuses wrong flags with the reason', async () => {
    await expect(programs.start('ratings', {}, ['--fail-percent', '101'])).rejects.toThrow('ended before it listened');
    await expect(programs.start('reviews', { SERVICE_VERSION: 'v9' })).rejects.toThrow('ended before it listened');
    await expect(programs.start('details', {}, ['--colour', 'red'])).rejects.toThrow('ended before it listened');
  });
});

describe('a flaky ratings replica', () => {
  it('fails its first requests and then recovers', async () => {
    const { url } = await programs.start('ratings', {}, ['--fail-first', '2']);
    const statuses: number[] = [];
    for (let i = 0; i < 4; i += 1) statuses.push((await fetch(`${url}/ratings/0`)).status);
    expect(statuses).toEqual([503, 503, 200, 200]);
  });

  it('fails the share that it is told to', async () => {
    const { url } = await programs.start('ratings', { FAIL_PERCENT: '50' });
    const statuses = await Promise.all(
      Array.from({ length: 200 }, async () => (await fetch(`${url}/ratings/0`)).status),
    );
    const failed = statuses.filter((status) => status === 503).length;
    // Binomial(200, 0.5): outside 60 to 140 once in 10^8 runs.
    expect(failed).toBeGreaterThan(60);
    expect(failed).toBeLessThan(140);
  });

  it('keeps ratings that are given to it, and refuses others', async () => {
    const { url } = await programs.start('ratings');
    const post = (body: string): Promise<Response> => fetch(`${url}/ratings/7`, { method: 'POST', body });
    expect((await post('{"Reviewer1": 2}')).status).toBe(200);
    expect((await getJson(`${url}/ratings/7`)).body).toEqual({ id: 7, ratings: { Reviewer1: 2 } });
    for (const bad of ['{"Reviewer1": 6}', '[1]', 'x', '{"a":"b"}']) expect((await post(bad)).status).toBe(400);
  });
});
