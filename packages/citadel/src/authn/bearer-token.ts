import { spiffeId, type WorkloadIdentity } from '@weft/contracts';
import { errorMessage, WeftError, type Clock } from '@weft/kit';
import { decodeProtectedHeader, importJWK, jwtVerify, type CryptoKey, type JWK, type JWTPayload } from 'jose';
import { MAX_SPENT_TOKENS, MAX_TOKEN_BYTES, MAX_TOKEN_LIFETIME_MS, TOKEN_CLOCK_SKEW_MS } from '../options.ts';
import { refusedCaller, type Authenticator, type CallerVerdict } from './caller.ts';
import { createSpentTokens } from './spent-tokens.ts';

export interface BearerTokenOptions {
  /** Public keys of whoever makes tokens: EC P-256. */
  readonly keys: readonly JWK[];
  readonly issuer: string;
  readonly audience: string;
  readonly trustDomain: string;
  readonly clock: Clock;
}

/** The claim that binds a token to one workload. */
export const WORKLOAD_CLAIM = 'weft.dev/workload';

const SUBJECT = /^system:serviceaccount:([^:]+):([^:]+)$/;
const MAX_KEYS = 10;
const MAX_ID_LENGTH = 256;

interface TokenKey {
  readonly kid: string | undefined;
  readonly key: CryptoKey | Uint8Array;
}

/**
 * Accepts short-lived, single-use ES256 tokens bound to a workload. A token made before this authenticator started is
 * refused, since a predecessor may have seen it already: the caller makes a new one for each attempt.
 * @throws {WeftError} WEFT_TOKEN_KEY when a key is not a public EC P-256 key.
 */
export async function createBearerTokenAuthenticator(options: BearerTokenOptions): Promise<Authenticator> {
  const { issuer, audience, trustDomain, clock } = options;
  const keys = await Promise.all(options.keys.map(importKey));
  if (keys.length === 0 || keys.length > MAX_KEYS) {
    throw new WeftError('WEFT_TOKEN_KEY', `there must be 1 to ${MAX_KEYS} token keys, not ${keys.length}`);
  }
  const spent = createSpentTokens(MAX_SPENT_TOKENS);
  const startedAtSeconds = Math.floor(clock.now() / 1000);

  const verify = async (token: string): Promise<JWTPayload> => {
    const { kid } = decodeProtectedHeader(token);
    const candidates = kid === undefined ? keys : keys.filter((known) => known.kid === undefined || known.kid === kid);
    let failure: unknown = new Error('no key has the id that the token names');
    for (const { key } of candidates) {
      try {
        const { payload } = await jwtVerify(token, key, {
          algorithms: ['ES256'],
          issuer,
          audience,
          requiredClaims: ['sub', 'jti', 'iat', 'exp'],
          currentDate: new Date(clock.now()),
          clockTolerance: TOKEN_CLOCK_SKEW_MS / 1000,
        });
        return payload;
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  };

  return async ({ authorization }) => {
    const token = bearerToken(authorization);
    if (token === undefined) return refusedCaller('no single bearer token of acceptable size');
    let payload: JWTPayload;
    try {
      payload = await verify(token);
    } catch (error) {
      return refusedCaller(`token not accepted: ${errorMessage(error)}`);
    }
    const caller = readClaims(payload, trustDomain);
    if (!caller.ok) return caller;
    const { jti = '', iat = 0, exp = 0 } = payload;
    const nowMs = clock.now();
    if (iat < startedAtSeconds) return refusedCaller('token was made before this authority started');
    if (iat * 1000 > nowMs + TOKEN_CLOCK_SKEW_MS) return refusedCaller('token was made in the future');
    const use = spent.spend(jti, exp * 1000 + TOKEN_CLOCK_SKEW_MS, nowMs);
    if (use === 'spent') return refusedCaller('token was used before');
    if (use === 'full') return refusedCaller('too many tokens in too short a time');
    return caller;
  };
}

/** @returns undefined unless there is exactly one header value with one token in it. */
function bearerToken(authorization: readonly string[]): string | undefined {
  const [value, ...rest] = authorization;
  if (value === undefined || rest.length > 0 || value.length > MAX_TOKEN_BYTES) return undefined;
  return /^Bearer ([A-Za-z0-9_.-]+)$/i.exec(value)?.[1];
}

function readClaims(payload: JWTPayload, trustDomain: string): CallerVerdict {
  const { sub = '', jti, iat, exp } = payload;
  const workload = payload[WORKLOAD_CLAIM];
  const [, namespace, serviceAccount] = SUBJECT.exec(sub) ?? [];
  if (namespace === undefined || serviceAccount === undefined) return refusedCaller('subject is not a service account');
  if (typeof jti !== 'string' || jti === '' || jti.length > MAX_ID_LENGTH)
    return refusedCaller('token id is not usable');
  if (typeof iat !== 'number' || typeof exp !== 'number' || exp <= iat)
    return refusedCaller('token times are not usable');
  if ((exp - iat) * 1000 > MAX_TOKEN_LIFETIME_MS) return refusedCaller('token is valid for too long');
  if (typeof workload !== 'string' || workload === '' || workload.length > MAX_ID_LENGTH) {
    return refusedCaller('token is not bound to a workload');
  }
  const identity: WorkloadIdentity = { trustDomain, namespace, serviceAccount };
  try {
    spiffeId(identity);
  } catch (error) {
    return refusedCaller(errorMessage(error));
  }
  return { ok: true, identity, authenticator: 'token', workload };
}

async function importKey(jwk: JWK): Promise<TokenKey> {
  if (jwk.kty !== 'EC' || jwk.crv !== 'P-256' || jwk.d !== undefined) {
    throw new WeftError('WEFT_TOKEN_KEY', 'a token key must be a public EC P-256 key (JWK without "d")');
  }
  try {
    return { kid: jwk.kid, key: await importJWK(jwk, 'ES256') };
  } catch (error) {
    throw new WeftError('WEFT_TOKEN_KEY', 'a token key can not be read', { cause: error });
  }
}
