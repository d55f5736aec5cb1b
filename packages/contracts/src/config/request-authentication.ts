import type { Static } from 'typebox';
import { matchLabelsSelector, targetRef, targetRefs } from './common.ts';
import { bool, duration, list, message, opt, text } from './meta.ts';

export const RequestAuthenticationSpec = message(
  {
    selector: opt(matchLabelsSelector()),
    targetRef: targetRef(),
    targetRefs: targetRefs(),
    jwtRules: opt(
      list(
        message({
          issuer: opt(text()),
          audiences: opt(list(text({ minLength: 1 }))),
          jwksUri: opt(text({ maxLength: 2048 })),
          jwks: opt(text()),
          fromHeaders: opt(list(message({ name: text({ minLength: 1 }), prefix: opt(text()) }))),
          fromParams: opt(list(text({ minLength: 1 }))),
          fromCookies: opt(list(text({ minLength: 1 }), { since: '1.23' })),
          outputPayloadToHeader: opt(text()),
          forwardOriginalToken: opt(bool({ default: false })),
          outputClaimToHeaders: opt(
            list(message({ header: text({ minLength: 1 }), claim: text({ minLength: 1 }) }), { since: '1.23' }),
          ),
          timeout: opt(duration({ since: '1.23', default: '5s' })),
          spaceDelimitedClaims: opt(list(text({ minLength: 1 }), { since: '1.28', maxItems: 64 })),
        }),
        { maxItems: 4096 },
      ),
    ),
  },
  {
    effect: 'refused',
    reason: 'checks tokens, which the proxies do not do yet: a bad token would pass',
    mend: 'Check tokens in the application until then.',
  },
);

/** Which JSON Web Tokens a workload accepts. */
export type RequestAuthenticationSpec = Static<typeof RequestAuthenticationSpec>;
