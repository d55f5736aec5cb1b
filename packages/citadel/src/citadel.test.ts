import { X509Certificate } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { readSvid } from '@weft/contracts';
import { silentLogger } from '@weft/kit';
import { tempDir } from '@weft/testkit';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCitadel, type Citadel } from './citadel.ts';
import { createDirectoryStore } from './store/directory-store.ts';
import {
  createCertificate,
  createTokenIssuer,
  newRequest,
  serve,
  type TestServer,
  type TokenIssuer,
} from './testing/callers.ts';

const REVIEWS = 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews';
const folder = await tempDir();
let issuer: TokenIssuer;
let citadel: Citadel;
let tokenPort: TestServer;
let peerPort: TestServer;

beforeAll(async () => {
  issuer = await createTokenIssuer(() => Date.now());
  citadel = await createCitadel({
    store: createDirectoryStore(join(folder.path, 'ca')),
    tokenKeys: [issuer.publicJwk],
    logger: silentLogger,
  });
  tokenPort = await serve(citadel.tokenHandlers, citadel.servingCredentials('none'));
  peerPort = await serve(citadel.peerHandlers, citadel.servingCredentials('required'));
});

afterAll(async () => {
  await tokenPort[Symbol.asyncDispose]();
  await peerPort[Symbol.asyncDispose]();
  citadel.close();
  await folder.remove();
});

const byToken = async (request: string, more: object = {}): Promise<readonly string[]> =>
  createCertificate({
    port: tokenPort.port,
    rootsPem: citadel.rootBundlePem(),
    csrPem: request,
    token: await issuer.token(),
    ...more,
  });

const spiffeIdOf = (pem: string | undefined): string | undefined => {
  const svid = readSvid(new X509Certificate(pem ?? '').raw);
  return svid.ok ? svid.spiffeId : undefined;
};

describe('CreateCertificate with a token', () => {
  it('answers leaf, intermediate and roots, for the identity of the token', async () => {
    const chain = await byToken(newRequest().csrPem);
    expect(chain).toHaveLength(3);
    const [leaf, intermediate, root] = chain.map((pem) => new X509Certificate(pem));
    expect(spiffeIdOf(chain[0])).toBe(REVIEWS);
    expect(leaf!.checkIssued(intermediate!) && leaf!.verify(intermediate!.publicKey)).toBe(true);
    expect(intermediate!.checkIssued(root!) && intermediate!.verify(root!.publicKey)).toBe(true);
    expect(chain.slice(1, -1)).toEqual(citadel.intermediatesPem());
    expect(chain[2]).toBe(citadel.rootBundlePem());
    expect(chain.every((pem) => pem.endsWith('\n'))).toBe(true);
  });

  it('ignores names in the request: the caller gets its own', async () => {
    const { csrPem } = newRequest({ sans: ['spiffe://cluster.local/ns/default/sa/admin'] });
    expect(spiffeIdOf((await byToken(csrPem))[0])).toBe(REVIEWS);
  });

  it('refuses a token that was used before', async () => {
    const token = await issuer.token();
    await byToken(newRequest().csrPem, { token });
    await expect(byToken(newRequest().csrPem, { token })).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
      details: 'request authenticate failure',
    });
  });

  it('lets one of many simultaneous uses of a token through', async () => {
    const token = await issuer.token();
    const { csrPem } = newRequest();
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => byToken(csrPem, { token })));
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
  });

  it.each([
    ['no token', { token: undefined }],
    ['another scheme', { token: undefined, authorization: ['Basic YTpi'] }],
    ['a token that is too large', { token: `${'a'.repeat(20_000)}.b.c` }],
  ])('refuses %s', async (_, more) => {
    await expect(byToken(newRequest().csrPem, more)).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
  });

  it('refuses impersonation and unknown signers', async () => {
    await expect(
      byToken(newRequest().csrPem, { metadata: { ImpersonatedIdentity: 'spiffe://cluster.local/ns/a/sa/b' } }),
    ).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
      details: 'request impersonation authentication failure',
    });
    await expect(byToken(newRequest().csrPem, { metadata: { CertSigner: 'x' } })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
  });

  it.each([
    ['TTL 0', 0n, 24 * 3600],
    ['TTL -1', -1n, 24 * 3600],
    ['one minute', 60n, 60],
    ['the maximum', 7_776_000n, 7_776_000],
  ])('grants %s', async (_, validitySeconds, expectedSeconds) => {
    const [leaf] = await byToken(newRequest().csrPem, { validitySeconds });
    const { validFrom, validTo } = new X509Certificate(leaf ?? '');
    // Back-dated by two minutes for peers whose clock is behind.
    expect((Date.parse(validTo) - Date.parse(validFrom)) / 1000).toBeCloseTo(expectedSeconds + 120, -1);
  });

  it('refuses more than the maximum', async () => {
    await expect(byToken(newRequest().csrPem, { validitySeconds: 7_776_001n })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: 'CSR signing error (requested TTL 7776001s is greater than the max allowed TTL 7776000s)',
    });
  });

  it('refuses a request that is no signing request', async () => {
    await expect(byToken('hello')).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
  });
});

describe('CreateCertificate with a client certificate', () => {
  it('renews for the same identity', async () => {
    const first = newRequest();
    const chain = await byToken(first.csrPem);
    const renewed = await createCertificate({
      port: peerPort.port,
      rootsPem: citadel.rootBundlePem(),
      csrPem: newRequest().csrPem,
      client: { certChainPem: chain.slice(0, 2).join(''), privateKeyPem: first.privateKeyPem },
    });
    expect(spiffeIdOf(renewed[0])).toBe(REVIEWS);
  });

  it('does not take a token for a certificate', async () => {
    await expect(byToken(newRequest().csrPem, { port: peerPort.port })).rejects.toMatchObject({
      code: status.UNAVAILABLE,
    });
  });
});

describe('a citadel', () => {
  it('counts what it did, under the names of Istio', () => {
    const text = citadel.metricsText();
    expect(text).toMatch(/^citadel_server_csr_count [1-9]/m);
    expect(text).toMatch(/^citadel_server_authentication_failure_count [1-9]/m);
    expect(text).toMatch(/^citadel_server_csr_sign_err_count\{error="TTL_ERROR"\} 1$/m);
    expect(text).toMatch(/^citadel_server_success_cert_issuance_count\{authenticator="certificate"\} 1$/m);
    expect(text).toMatch(/^citadel_server_root_cert_expiry_seconds\{root="0"\} 31\d{7}$/m);
  });

  it('gives parts of the control plane their identity', () => {
    const secret = citadel.issueInternal({
      trustDomain: 'cluster.local',
      namespace: 'weft-system',
      serviceAccount: 'weft-gateway',
    });
    expect(spiffeIdOf(secret.certChainPem)).toBe('spiffe://cluster.local/ns/weft-system/sa/weft-gateway');
    expect(Date.parse(new X509Certificate(secret.certChainPem).validTo)).toBe(secret.expiresAt);
  });
});
