import { createSecretKey, generateKeyPairSync } from 'node:crypto';
import { FakeClock } from '@weft/testkit';
import { UnsecuredJWT } from 'jose';
import { beforeEach, describe, expect, it } from 'vitest';
import { createTokenIssuer, type TokenFields, type TokenIssuer } from '../testing/callers.ts';
import { createBearerTokenAuthenticator, WORKLOAD_CLAIM } from './bearer-token.ts';
import type { Authenticator, CallerVerdict } from './caller.ts';
import { createSpentTokens } from './spent-tokens.ts';

const START_MS = Date.UTC(2026, 5, 1);
let clock: FakeClock;
let issuer: TokenIssuer;
let authenticate: Authenticator;

beforeEach(async () => {
  clock = new FakeClock(START_MS);
  issuer = await createTokenIssuer(() => clock.now());
  authenticate = await start();
});

const start = (): Promise<Authenticator> =>
  createBearerTokenAuthenticator({
    keys: [issuer.publicJwk],
    issuer: 'weft-supervisor',
    audience: 'weft-ca',
    trustDomain: 'cluster.local',
    clock,
  });

const present = async (token: string, to = authenticate): Promise<CallerVerdict> =>
  to({ authorization: [`Bearer ${token}`], verifiedPeer: undefined });

describe('a bearer token', () => {
  it('proves the service account and workload that it names', async () => {
    expect(await present(await issuer.token())).toEqual({
      ok: true,
      identity: { trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'bookinfo-reviews' },
      authenticator: 'token',
      workload: 'reviews-v1',
    });
  });

  it.each<[string, Partial<TokenFields>, RegExp]>([
    ['another audience', { aud: 'istio-ca' }, /"aud"/],
    ['another issuer', { iss: 'weft-supervisor.evil' }, /"iss"/],
    ['no id', { jti: undefined }, /"jti"/],
    ['an empty id', { jti: '' }, /token id/],
    ['an id that is too long', { jti: 'x'.repeat(300) }, /token id/],
    ['no workload', { workload: undefined }, /bound to a workload/],
    ['an empty workload', { workload: '' }, /bound to a workload/],
    ['a subject that is no service account', { sub: 'user:jason' }, /not a service account/],
    ['a subject with a part more', { sub: 'system:serviceaccount:a:b:c' }, /not a service account/],
    ['a subject with an empty part', { sub: 'system:serviceaccount::b' }, /not a service account/],
    ['a name that can not stand in a SPIFFE id', { sub: 'system:serviceaccount:a/b:c' }, /SPIFFE/],
    ['a lifetime of more than five minutes', { lifetimeSeconds: 301 }, /valid for too long/],
    ['a lifetime that runs backwards', { lifetimeSeconds: -1 }, /times are not usable|"exp"/],
    ['a time of issue in the future', { iat: START_MS / 1000 + 3_600 }, /in the future/],
  ])('is refused with %s', async (_, fields, reason) => {
    const verdict = await present(await issuer.token(fields));
    expect(verdict).toMatchObject({ ok: false });
    expect(verdict.ok ? '' : verdict.reason).toMatch(reason);
  });

  it('is refused when another key signed it', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    expect(await present(await issuer.token({ key: privateKey }))).toMatchObject({ ok: false });
  });

  it('is refused without a signature, or with the public key as a shared secret', async () => {
    const unsigned = new UnsecuredJWT({ [WORKLOAD_CLAIM]: 'reviews-v1', jti: 'x' })
      .setIssuer('weft-supervisor')
      .setAudience('weft-ca')
      .setSubject('system:serviceaccount:default:bookinfo-reviews')
      .setIssuedAt(START_MS / 1000)
      .setExpirationTime(START_MS / 1000 + 60)
      .encode();
    expect(await present(unsigned)).toMatchObject({ ok: false });
    const shared = createSecretKey(Buffer.from(JSON.stringify(issuer.publicJwk)));
    expect(await present(await issuer.token({ key: shared, alg: 'HS256' }))).toMatchObject({ ok: false });
  });

  it('is refused once expired, with ten seconds for clocks that differ', async () => {
    const [early, late] = [await issuer.token(), await issuer.token()];
    clock.advance(69_000);
    expect(await present(early)).toMatchObject({ ok: true });
    clock.advance(2_000);
    expect(await present(late)).toMatchObject({ ok: false });
  });

  it('works once', async () => {
    const token = await issuer.token();
    expect(await present(token)).toMatchObject({ ok: true });
    expect(await present(token)).toEqual({ ok: false, reason: 'token was used before' });
  });

  it('does not work again after the authority was restarted', async () => {
    const token = await issuer.token();
    expect(await present(token)).toMatchObject({ ok: true });
    clock.advance(5_000);
    const restarted = await start();
    expect(await present(token, restarted)).toEqual({
      ok: false,
      reason: 'token was made before this authority started',
    });
    expect(await present(await issuer.token(), restarted)).toMatchObject({ ok: true });
  });

  it.each([
    ['nothing', []],
    ['two values', ['Bearer a.b.c', 'Bearer a.b.c']],
    ['another scheme', ['Basic abc']],
    ['spaces inside', ['Bearer a b']],
    ['rubbish', ['Bearer rubbish']],
    ['too much', [`Bearer ${'a'.repeat(16_384)}`]],
  ])('is wanted, and not %s', async (_, authorization) => {
    expect(await authenticate({ authorization, verifiedPeer: undefined })).toMatchObject({ ok: false });
  });
});

describe('a token key', () => {
  const withKeys = (keys: Parameters<typeof createBearerTokenAuthenticator>[0]['keys']) =>
    createBearerTokenAuthenticator({ keys, issuer: 'i', audience: 'a', trustDomain: 'cluster.local', clock });

  it('must be a public key of the right kind', async () => {
    await expect(withKeys([])).rejects.toMatchObject({ code: 'WEFT_TOKEN_KEY' });
    await expect(withKeys([{ kty: 'oct', k: 'c2VjcmV0' }])).rejects.toMatchObject({ code: 'WEFT_TOKEN_KEY' });
    await expect(withKeys([{ ...issuer.publicJwk, d: 'AA' }])).rejects.toMatchObject({ code: 'WEFT_TOKEN_KEY' });
    await expect(withKeys([{ ...issuer.publicJwk, x: '!' }])).rejects.toMatchObject({ code: 'WEFT_TOKEN_KEY' });
  });
});

describe('spent tokens', () => {
  it('are remembered until they expire', () => {
    const spent = createSpentTokens(10);
    expect(spent.spend('a', 1_000, 0)).toBe('first-use');
    expect(spent.spend('a', 1_000, 999)).toBe('spent');
    expect(spent.spend('b', 200_000, 100_000)).toBe('first-use');
    expect(spent.size).toBe(1);
  });

  it('are never forgotten for want of room: new ones are refused instead', () => {
    const spent = createSpentTokens(2);
    spent.spend('a', 1_000, 0);
    spent.spend('b', 1_000, 0);
    expect(spent.spend('c', 1_000, 0)).toBe('full');
    expect(spent.spend('a', 1_000, 0)).toBe('spent');
    expect(spent.spend('c', 3_000, 2_000)).toBe('first-use');
  });
});
