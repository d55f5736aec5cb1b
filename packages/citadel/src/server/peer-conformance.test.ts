/** X509-SVID conformance as a peer meets it: certificates made with another library, presented to the mutual TLS port. */
import 'reflect-metadata';
import { createPrivateKey, createPublicKey, generateKeyPairSync, webcrypto, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { connect, type SecureVersion } from 'node:tls';
import * as x509 from '@peculiar/x509';
import { status } from '@grpc/grpc-js';
import { der, MESH_TLS, OID } from '@weft/contracts';
import { silentLogger, systemRandom } from '@weft/kit';
import { tempDir } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildSelfSigned, type CaMaterial } from '../ca/material.ts';
import { createCitadel, type Citadel } from '../citadel.ts';
import { createDirectoryStore } from '../store/directory-store.ts';
import { createCertificate, createTokenIssuer, newRequest, serve, type TestServer } from '../testing/callers.ts';

const REVIEWS = 'spiffe://cluster.local/ns/default/sa/reviews';
const HOUR_MS = 3_600_000;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const folder = await tempDir();
let citadel: Citadel;
let server: TestServer;
let authority: Signer;
let material: CaMaterial;

interface Signer {
  readonly name: string;
  readonly pem: string;
  readonly key: KeyObject;
}

beforeAll(async () => {
  const store = createDirectoryStore(join(folder.path, 'ca'));
  const build = { trustDomain: 'cluster.local', nowMs: Date.now(), ttlMs: 24 * HOUR_MS, random: systemRandom };
  material = buildSelfSigned(build);
  await store.create(material);
  const { publicJwk } = await createTokenIssuer(() => Date.now());
  citadel = await createCitadel({ store, tokenKeys: [publicJwk], logger: silentLogger });
  server = await serve(citadel.peerHandlers, citadel.servingCredentials('required'));
  authority = signerOf(material.caCertPem, material.caKeyPem);
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  citadel.close();
  await folder.remove();
});

const signerOf = (pem: string, keyPem: string): Signer => ({
  name: new x509.X509Certificate(pem).subject,
  pem,
  key: createPrivateKey(keyPem),
});

interface Shape {
  readonly uris?: readonly string[];
  readonly dns?: readonly string[];
  readonly usage?: x509.KeyUsageFlags;
  readonly extUsage?: readonly string[];
  readonly ca?: boolean;
  readonly pathLength?: number;
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  readonly more?: readonly x509.Extension[];
  readonly subject?: string;
}

interface Made extends Signer {
  readonly keyPem: string;
}

const subtleKey = (key: KeyObject): Promise<webcrypto.CryptoKey> =>
  webcrypto.subtle.importKey('pkcs8', key.export({ type: 'pkcs8', format: 'der' }), ALGORITHM, true, ['sign']);

async function make(shape: Shape, by: Signer = authority): Promise<Made> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const names = [
    ...(shape.uris ?? [REVIEWS]).map((value) => ({ type: 'url' as const, value })),
    ...(shape.dns ?? []).map((value) => ({ type: 'dns' as const, value })),
  ];
  const certificate = await x509.X509CertificateGenerator.create({
    subject: shape.subject ?? '',
    issuer: by.name,
    notBefore: new Date(Date.now() + (shape.notBeforeMs ?? -60_000)),
    notAfter: new Date(Date.now() + (shape.notAfterMs ?? HOUR_MS)),
    publicKey: spki,
    signingKey: await subtleKey(by.key),
    signingAlgorithm: ALGORITHM,
    extensions: [
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names, true)] : []),
      new x509.KeyUsagesExtension(shape.usage ?? x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([...(shape.extUsage ?? [OID.serverAuth, OID.clientAuth])]),
      new x509.BasicConstraintsExtension(shape.ca ?? false, shape.pathLength, true),
      ...(shape.more ?? []),
    ],
  });
  const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { name: certificate.subject, pem: `${certificate.toString('pem')}\n`, key: privateKey, keyPem };
}

/** Asks for a certificate as this peer. @returns `accepted`, `refused` (by its identity) or `no handshake`. */
async function outcome(peer: Made, chain: readonly Signer[] = [authority]): Promise<string> {
  try {
    await createCertificate({
      port: server.port,
      rootsPem: citadel.rootBundlePem(),
      csrPem: newRequest().csrPem,
      client: { certChainPem: [peer, ...chain].map(({ pem }) => pem).join(''), privateKeyPem: peer.keyPem },
    });
    return 'accepted';
  } catch (error) {
    const code: unknown = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
    if (code === status.UNAUTHENTICATED) return 'refused';
    if (code === status.UNAVAILABLE) return 'no handshake';
    throw error;
  }
}

describe('a peer on the mutual TLS port', () => {
  it('is accepted with a proper certificate', async () => {
    expect(await outcome(await make({}))).toBe('accepted');
  });

  it('row 2: is accepted with a further DNS name', async () => {
    expect(await outcome(await make({ dns: ['reviews'] }))).toBe('accepted');
  });

  it.each<[string, Shape]>([
    ['row 1: no URI name', { uris: [], dns: ['reviews'] }],
    ['row 1: two URI names', { uris: [REVIEWS, 'spiffe://cluster.local/ns/default/sa/ratings'] }],
    ['row 2: a DNS name that reads like an identity', { uris: [], dns: ['cluster.local'] }],
    [
      'row 4: a key that may sign certificates',
      { usage: x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyCertSign },
    ],
    ['row 9: a name of another trust domain', { uris: ['spiffe://other.example/ns/default/sa/reviews'] }],
    [
      'row 9: a name whose trust domain only begins like ours',
      { uris: ['spiffe://cluster.local.evil/ns/default/sa/x'] },
    ],
    ['row 10: an upper-case host', { uris: ['spiffe://Cluster.local/ns/default/sa/reviews'] }],
    ['row 10: a query', { uris: [`${REVIEWS}?a=b`] }],
    ['row 10: percent-encoding', { uris: ['spiffe://cluster.local/ns/default/sa/%72eviews'] }],
    ['row 11: another scheme', { uris: ['https://cluster.local/ns/default/sa/reviews'] }],
  ])('is refused with %s', async (_, shape) => {
    expect(await outcome(await make(shape))).toBe('refused');
  });

  it.each<[string, Shape]>([
    ['row 5: a certificate for servers only', { extUsage: [OID.serverAuth] }],
    ['row 8: an expired certificate', { notBeforeMs: -2 * HOUR_MS, notAfterMs: -1_000 }],
    ['row 8: a certificate that is not valid yet', { notBeforeMs: HOUR_MS, notAfterMs: 2 * HOUR_MS }],
    [
      'row 8: an unknown critical extension',
      { more: [new x509.Extension('1.3.6.1.4.1.99999.1', true, der.utf8String('?'))] },
    ],
  ])('gets no handshake with %s', async (_, shape) => {
    expect(await outcome(await make(shape))).toBe('no handshake');
  });

  it('row 7: is refused with the certificate of an authority', async () => {
    const peer = { name: authority.name, pem: authority.pem, key: authority.key, keyPem: material.caKeyPem };
    expect(await outcome(peer, [])).toMatch(/refused|no handshake/);
  });

  it('row 8: gets no handshake when another authority signed', async () => {
    const foreign = buildSelfSigned({
      trustDomain: 'cluster.local',
      nowMs: Date.now(),
      ttlMs: HOUR_MS,
      random: systemRandom,
    });
    const signer = signerOf(foreign.caCertPem, foreign.caKeyPem);
    expect(await outcome(await make({}, signer), [signer])).toBe('no handshake');
  });

  it('row 8: gets no handshake when its intermediate may have none below it', async () => {
    const usage = x509.KeyUsageFlags.keyCertSign;
    const below = await make({ ca: true, usage, uris: ['spiffe://cluster.local'], subject: 'CN=below' });
    expect(await outcome(await make({}, below), [below, authority])).toBe('no handshake');
  });

  it('row 8: gets no handshake when a leaf signed it', async () => {
    const leaf = await make({ subject: 'CN=leaf' });
    expect(await outcome(await make({}, leaf), [leaf, authority])).toBe('no handshake');
  });

  it.each([
    ['inside', 'cluster.local', 'accepted'],
    ['outside', 'other.example', 'no handshake'],
  ])('row 8: %s the names that its authority may give (%s): %s', async (_, permitted, expected) => {
    const root = signerOf(material.rootCertPem, material.rootKeyPem ?? '');
    const subtree = der.sequence(der.context(6, Buffer.from(permitted), false));
    const limited = await make(
      {
        ca: true,
        usage: x509.KeyUsageFlags.keyCertSign,
        uris: [`spiffe://${permitted}`],
        subject: 'CN=limited',
        more: [new x509.Extension(OID.nameConstraints, true, der.sequence(der.context(0, subtree, true)))],
      },
      root,
    );
    expect(await outcome(await make({}, limited), [limited])).toBe(expected);
  });

  it('gets no handshake without a certificate', async () => {
    await expect(
      createCertificate({ port: server.port, rootsPem: citadel.rootBundlePem(), csrPem: newRequest().csrPem }),
    ).rejects.toMatchObject({ code: status.UNAVAILABLE });
  });

  it.each<[string, SecureVersion, string]>([
    ['TLS 1.1', 'TLSv1.1', 'DEFAULT:@SECLEVEL=0'],
    ['TLS 1.2 without forward secrecy', 'TLSv1.2', 'AES256-GCM-SHA384:AES128-SHA'],
    ['TLS 1.2 with CBC', 'TLSv1.2', 'ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA'],
  ])('gets no handshake with %s', async (_, version, ciphers) => {
    const peer = await make({});
    const failed = await new Promise<boolean>((resolve) => {
      const socket = connect({
        ...MESH_TLS,
        host: '127.0.0.1',
        port: server.port,
        ca: citadel.rootBundlePem(),
        cert: peer.pem + authority.pem,
        key: peer.keyPem,
        minVersion: version,
        maxVersion: version,
        ciphers,
        ALPNProtocols: ['h2'],
        checkServerIdentity: () => undefined,
      });
      socket.on('secureConnect', () => {
        resolve(false);
        socket.destroy();
      });
      socket.on('error', () => resolve(true));
    });
    expect(failed).toBe(true);
  });
});
