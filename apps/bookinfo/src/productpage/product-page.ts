import { createJsonClient, readText } from '../shared/client.ts';
import { forwardedHeaders } from '../shared/headers.ts';
import type { ServiceOptions } from '../shared/options.ts';
import { json, methodNotAllowed, notFound, type Handler, type Reply, type Request } from '../shared/server.ts';
import { createBackends, type Backends, type Topic } from './backends.ts';
import { PRODUCTS } from './catalogue.ts';
import { renderFront, renderProduct, renderRefusal } from './pages.ts';
import { isUserName, signedInUser, signInCookie, signOutCookie } from './session.ts';
import { COVER_SVG, STYLESHEET } from './static-files.ts';

const PAGE_HEADERS = {
  'content-security-policy':
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'cache-control': 'no-store',
};
const ASSET_HEADERS = { 'cache-control': 'public, max-age=300', 'x-content-type-options': 'nosniff' };

const page = (status: number, body: string): Reply => ({ status, body, type: 'html', headers: PAGE_HEADERS });

export function createProductPage(options: ServiceOptions): Handler {
  const backends = createBackends(createJsonClient(), (topic) => options.upstream(topic));
  return async (request) => {
    const { method, path, message } = request;
    if (path === '/login') return method === 'POST' ? signIn(request) : methodNotAllowed('POST');
    if (path === '/logout') return redirect(signOutCookie());
    if (method !== 'GET') return methodNotAllowed('GET');
    switch (path) {
      case '/':
      case '/index.html':
        return page(200, renderFront(signedInUser(message.headers)));
      case '/health':
        return { status: 200, body: 'Product page is healthy', type: 'text' };
      case '/productpage':
        return productPage(backends, request);
      case '/static/bookinfo.css':
        return { status: 200, body: STYLESHEET, type: 'css', headers: ASSET_HEADERS };
      case '/static/cover.svg':
        return { status: 200, body: COVER_SVG, type: 'svg', headers: ASSET_HEADERS };
      default:
        return api(backends, request);
    }
  };
}

/** The visitor's name goes along as `end-user`, so that routes can look at it. */
function headersFor({ message }: Request): Record<string, string> {
  const user = signedInUser(message.headers);
  return { ...forwardedHeaders(message.headers), ...(user === undefined ? {} : { 'end-user': user }) };
}

async function productPage(backends: Backends, request: Request): Promise<Reply> {
  const [product] = PRODUCTS;
  const headers = headersFor(request);
  const [details, reviews] = await Promise.all([
    backends.ask('details', product.id, headers),
    backends.ask('reviews', product.id, headers),
  ]);
  return page(200, renderProduct({ product, details, reviews, user: signedInUser(request.message.headers) }));
}

const API = /^\/api\/v1\/products(?:\/(\d{1,9})(?:\/(reviews|ratings))?)?\/?$/;

async function api(backends: Backends, request: Request): Promise<Reply> {
  const match = API.exec(request.path);
  if (!match) return notFound();
  const [, id, part] = match;
  if (id === undefined) {
    return json(
      200,
      PRODUCTS.map(({ id, title, description }) => ({ id, title, descriptionHtml: description })),
    );
  }
  const topic: Topic = part === 'reviews' || part === 'ratings' ? part : 'details';
  const { status, body } = await backends.ask(topic, Number(id), headersFor(request));
  return json(status, body);
}

async function signIn({ message }: Request): Promise<Reply> {
  const form = new URLSearchParams(await readText(message));
  const user = form.get('username')?.trim() ?? '';
  if (isUserName(user)) return redirect(signInCookie(user));
  return page(400, renderRefusal('A user name has 1 to 64 letters, digits, dots, dashes or underscores.'));
}

const redirect = (cookie: string): Reply => ({
  status: 302,
  body: '',
  type: 'text',
  headers: { location: '/productpage', 'set-cookie': cookie, 'cache-control': 'no-store' },
});
