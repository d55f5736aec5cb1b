import type { Static } from 'typebox';
import { matchLabelsSelector, percent, presenceMatch } from './common.ts';
import { bool, duration, list, map, message, opt, text, uint32 } from './meta.ts';

/** Fills by `tokensPerFill` each `fillInterval`, up to `maxTokens`; each request takes one. */
const tokenBucket = () =>
  message({
    maxTokens: uint32({ min: 1, max: 2_147_483_647 }),
    tokensPerFill: opt(uint32({ min: 1, max: 2_147_483_647, default: 1 })),
    fillInterval: duration(),
  });

/** One part of what a request is counted as. */
const action = message(
  {
    requestHeader: opt(
      message(
        { name: text({ minLength: 1 }), key: text({ minLength: 1 }), skipIfAbsent: opt(bool({ default: false })) },
        { oneof: 'action' },
      ),
    ),
    remoteAddress: opt(message({}, { oneof: 'action' })),
    genericKey: opt(message({ key: opt(text()), value: text({ minLength: 1 }) }, { oneof: 'action' })),
    headerMatch: opt(
      message(
        {
          key: opt(text()),
          value: text({ minLength: 1 }),
          headers: map(presenceMatch(), { minItems: 1 }),
          expectMatch: opt(bool({ default: true })),
        },
        { oneof: 'action' },
      ),
    ),
  },
  { requiredOneofs: ['action'] },
);

const limit = message({
  /** Of the workload or gateway; every port without one. */
  port: opt(uint32({ format: 'port-number', min: 1, max: 65_535 })),
  /**
   * Names of routes of VirtualServices. The limit then holds for these routes alone, at the gateways and in the callers’
   * sidecars that are selected; without names it holds for all that the selected workloads and gateways receive.
   */
  routes: opt(list(text({ minLength: 1 }), { minItems: 1 })),
  tokenBucket: opt(tokenBucket()),
  status: opt(uint32({ min: 400, max: 599, default: 429 })),
  /** Of the requests: those that are counted at all, and those that are refused when too many. */
  enabled: opt(percent()),
  enforced: opt(percent()),
  /** Each connection has buckets of its own. */
  perConnection: opt(bool({ default: false })),
  /** `x-ratelimit-limit`, `-remaining` and `-reset` on every answer. */
  rateLimitHeaders: opt(bool({ default: false })),
  /** On refusals. */
  responseHeaders: opt(map(text(), { maxItems: 10 })),
  /** On requests that go on although there are too many. */
  requestHeaders: opt(map(text(), { maxItems: 10 })),
  /** What requests are counted as; each list of actions makes a descriptor. */
  rateLimits: opt(list(message({ actions: list(action, { minItems: 1 }) }))),
  /** Descriptors with buckets of their own. */
  descriptors: opt(
    list(
      message({
        entries: list(message({ key: text({ minLength: 1 }), value: text({ minLength: 1 }) }), { minItems: 1 }),
        tokenBucket: tokenBucket(),
      }),
    ),
  ),
  /** What a descriptor’s bucket lets pass takes from `tokenBucket` too. */
  alwaysConsumeDefaultTokenBucket: opt(bool({ default: true })),
});

export const LocalRateLimitSpec = message(
  { selector: opt(matchLabelsSelector()), limits: list(limit, { minItems: 1 }) },
  { test: 'RE-11' },
);

/** How many requests a proxy lets pass by itself, without asking anybody (Envoy’s local rate limit). */
export type LocalRateLimitSpec = Static<typeof LocalRateLimitSpec>;
export type RequestLimit = LocalRateLimitSpec['limits'][number];
export type RateLimitAction = NonNullable<RequestLimit['rateLimits']>[number]['actions'][number];
