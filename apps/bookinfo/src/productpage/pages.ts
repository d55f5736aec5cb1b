/** HTML of the shop. Whatever comes from outside is escaped by `html`. */
import type { Answer } from './backends.ts';
import type { Product } from './catalogue.ts';
import { html, join, type Html } from './html.ts';

export interface ProductView {
  readonly product: Product;
  readonly details: Answer;
  readonly reviews: Answer;
  readonly user: string | undefined;
}

export function renderProduct({ product, details, reviews, user }: ProductView): string {
  return layout(
    user,
    html`<article class="book">
        <img class="cover" src="/static/cover.svg" alt="Cover: ${product.title}" width="220" height="320" />
        <div>
          <p class="eyebrow">Book of the month</p>
          <h1>${product.title}</h1>
          <p class="summary">${product.description}</p>
          ${detailsSection(details)}
        </div>
      </article>
      ${reviewsSection(reviews)}`,
  );
}

export const renderFront = (user: string | undefined): string =>
  layout(
    user,
    html`<section class="card front">
      <h1>Welcome to the bookstore</h1>
      <p>
        A small shop of four services: this page asks <em>details</em> and <em>reviews</em>, and reviews asks
        <em>ratings</em>.
      </p>
      <p><a class="button" href="/productpage">Open the product page</a></p>
    </section>`,
  );

export const renderRefusal = (reason: string): string =>
  layout(
    undefined,
    html`<section class="card front">
      <h1>That did not work</h1>
      <p>${reason}</p>
      <p><a class="button" href="/productpage">Back to the book</a></p>
    </section>`,
  );

function layout(user: string | undefined, content: Html): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <title>Simple Bookstore App</title>
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <link rel="stylesheet" href="/static/bookinfo.css" />
        <link rel="icon" href="/static/cover.svg" type="image/svg+xml" />
      </head>
      <body>
        <a class="skip" href="#content">Skip to the book</a>
        <header>
          <a class="brand" href="/productpage"><span aria-hidden="true">&#9707;</span> Bookinfo</a>
          ${user === undefined ? signInForm() : signedIn(user)}
        </header>
        <main id="content">${content}</main>
        <footer><p>Bookinfo sample &middot; four small services behind one page</p></footer>
      </body>
    </html> `.text;
}

const signInForm = (): Html =>
  html`<details class="account">
    <summary>Sign in</summary>
    <form method="post" action="/login">
      <label for="username">User name</label>
      <input id="username" name="username" autocomplete="username" required maxlength="64" />
      <label for="passwd">Password <span class="hint">(not checked)</span></label>
      <input id="passwd" name="passwd" type="password" autocomplete="off" />
      <button type="submit">Sign in</button>
    </form>
  </details>`;

const signedIn = (user: string): Html =>
  html`<p class="account">
    <span class="avatar" aria-hidden="true">${user.slice(0, 1).toUpperCase()}</span>
    <span>${user}</span> <a href="/logout">Sign out</a>
  </p>`;

const DETAIL_ROWS = [
  ['Author', 'author'],
  ['Year', 'year'],
  ['Type', 'type'],
  ['Pages', 'pages'],
  ['Publisher', 'publisher'],
  ['Language', 'language'],
  ['ISBN-10', 'ISBN-10'],
  ['ISBN-13', 'ISBN-13'],
] as const;

function detailsSection({ status, body }: Answer): Html {
  if (status !== 200) return failure('Error fetching product details!', body);
  const rows = DETAIL_ROWS.flatMap(([label, field]) => {
    const value = textField(body, field);
    return value === undefined
      ? []
      : [
          html`<div>
            <dt>${label}</dt>
            <dd>${value}</dd>
          </div>`,
        ];
  });
  return html`<section aria-labelledby="details">
    <h2 id="details">Book details</h2>
    <dl>${join(rows)}</dl>
  </section>`;
}

function reviewsSection({ status, body }: Answer): Html {
  if (status !== 200) {
    return html`<section class="reviews" aria-labelledby="reviews">
      <h2 id="reviews">Reviews</h2>
      ${failure('Error fetching product reviews!', body)}
    </section>`;
  }
  const reviews: unknown = isObject(body) ? body['reviews'] : undefined;
  const served = textField(body, 'podname');
  return html`<section class="reviews" aria-labelledby="reviews">
    <h2 id="reviews">Reviews</h2>
    <div class="columns">${join(Array.isArray(reviews) ? reviews.map(review) : [])}</div>
    ${served === undefined ? '' : html`<p class="served">Reviews served by: <code>${served}</code></p>`}
  </section>`;
}

const review = (value: unknown): Html =>
  html`<figure class="card">
    ${rating(isObject(value) ? value['rating'] : undefined)}
    <blockquote><p>${textField(value, 'text') ?? ''}</p></blockquote>
    <figcaption>${textField(value, 'reviewer') ?? ''}</figcaption>
  </figure>`;

const MAX_STARS = 5;

function rating(value: unknown): Html | '' {
  if (!isObject(value)) return '';
  const error = textField(value, 'error');
  if (error !== undefined) return html`<p class="notice">${error}</p>`;
  const stars = Math.max(0, Math.min(MAX_STARS, Math.round(Number(value['stars']) || 0)));
  const color = value['color'] === 'red' ? 'red' : 'black';
  return html`<p class="stars ${color}" role="img" aria-label="${stars} of ${MAX_STARS} stars">
    <span aria-hidden="true">${'★'.repeat(stars)}<span class="empty">${'★'.repeat(MAX_STARS - stars)}</span></span>
  </p>`;
}

const failure = (title: string, body: unknown): Html =>
  html`<div class="failure" role="alert">
    <h3>${title}</h3>
    <p>${textField(body, 'error') ?? ''}</p>
  </div>`;

function textField(value: unknown, field: string): string | undefined {
  const found: unknown = isObject(value) ? value[field] : undefined;
  return typeof found === 'string' || typeof found === 'number' ? String(found) : undefined;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
