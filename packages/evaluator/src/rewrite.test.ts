import { seededRandom } from '@weft/kit';
import { describe, expect, it } from 'vitest';
import { createRegexEngine } from './regex.ts';
import { redirectLocation, rewritePath } from './rewrite.ts';
import { compileRoutes } from './routes.ts';
import { factsOf, routeConfig } from './test-support/builders.ts';

const regex = createRegexEngine();
type Json = Parameters<typeof routeConfig>[0];
const first = (route: object, facts: ReturnType<typeof factsOf>) => {
  const config = routeConfig({ name: 'r', virtualHosts: [{ name: 'h', domains: ['*'], routes: [route as Json] }] });
  const match = compileRoutes(config, { regex }).route(facts, seededRandom(1));
  if (match === undefined) throw new Error('no route');
  return match.route;
};

describe('rewritePath', () => {
  it.each<[object, object, string, string]>([
    [{ prefix: '/api' }, { prefixRewrite: '/' }, '/api/v1', '//v1'],
    [{ prefix: '/api/' }, { prefixRewrite: '/' }, '/api/v1', '/v1'],
    [{ path: '/old' }, { prefixRewrite: '/new' }, '/old', '/new'],
    [{ safeRegex: { regex: '/u/.*' } }, { prefixRewrite: '/one' }, '/u/3', '/one'],
    [
      { prefix: '/' },
      { regexRewrite: { pattern: { regex: '^/u/([0-9]+)' }, substitution: '/user?id=\\1' } },
      '/u/42/x',
      '/user?id=42/x',
    ],
    [
      { prefix: '/' },
      { regexRewrite: { pattern: { regex: 'a' }, substitution: '[\\0\\9\\\\]' } },
      '/aba',
      '/[a\\]b[a\\]',
    ],
    [{ prefix: '/' }, {}, '/same', '/same'],
  ])('%j %j: %s → %s', (match, action, path, expected) => {
    const { decision, match: rule } = first({ match, route: { cluster: 'c', ...action } }, factsOf({ path }));
    if (decision.kind !== 'forward') throw new Error('not forwarded');
    expect(rewritePath(path, rule, decision.prefixRewrite, decision.regexRewrite)).toBe(expected);
  });
});

describe('redirectLocation', () => {
  it.each<[object, Parameters<typeof factsOf>[0], string]>([
    [{ httpsRedirect: true }, { authority: 'a.b', path: '/x', query: 'q=1' }, 'https://a.b/x?q=1'],
    [{ httpsRedirect: true }, { authority: 'a.b:80', path: '/x' }, 'https://a.b/x'],
    [{ httpsRedirect: true }, { authority: 'a.b:8080', path: '/x' }, 'https://a.b:8080/x'],
    [{ hostRedirect: 'c.d', stripQuery: true }, { authority: 'a.b', query: 'q' }, 'http://c.d/'],
    [{ portRedirect: 8443, schemeRedirect: 'https' }, { authority: 'a.b:80' }, 'https://a.b:8443/'],
    [{ portRedirect: 80 }, { authority: 'a.b:9080' }, 'http://a.b/'],
    [{ pathRedirect: '/new' }, { authority: 'a', path: '/old', query: 'q' }, 'http://a/new?q'],
    [{ pathRedirect: '/new?r=2' }, { authority: 'a', query: 'q' }, 'http://a/new?r=2'],
    [{ portRedirect: 443, schemeRedirect: 'https' }, { authority: 'a.b:8080' }, 'https://a.b/'],
    [{ hostRedirect: 'c.d:8443', pathRedirect: '/n?r=1', stripQuery: true }, { query: 'q' }, 'http://c.d:8443/n?r=1'],
    [{ prefixRewrite: '/v2' }, { authority: '[::1]:99', path: '/v1/x' }, 'http://[::1]:99/v2/x'],
    [
      { regexRewrite: { pattern: { regex: 'v1' }, substitution: 'v3' } },
      { authority: 'a', path: '/v1/x' },
      'http://a/v3/x',
    ],
  ])('%j of %j → %s', (redirect, given, expected) => {
    const facts = factsOf(given);
    const { decision, match } = first(
      { match: { prefix: 'prefixRewrite' in redirect ? '/v1' : '/' }, redirect },
      facts,
    );
    if (decision.kind !== 'redirect') throw new Error('not redirected');
    expect(redirectLocation(decision, match, facts)).toBe(expected);
  });
});
