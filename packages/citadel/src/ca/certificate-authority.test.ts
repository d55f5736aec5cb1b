import 'reflect-metadata';
import { X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { KEY_USAGE, OID, readCertificate, readSvid } from '@weft/contracts';
import { seededRandom, systemRandom } from '@weft/kit';
import { FakeClock } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { createCertificateAuthority } from './certificate-authority.ts';
import { newPrivateKey, publicKeyDer } from './keys.ts';
import { buildSelfSigned, checkMaterial } from './material.ts';

const NOW_MS = Date.UTC(2026, 5, 1, 12, 0, 0, 500);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const REVIEWS = { trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'bookinfo-reviews' };
const REVIEWS_ID = 'spiffe://cluster.local/ns/default/sa/bookinfo-reviews';

function setUp(rootTtlMs = 3650 * DAY_MS) {
  const clock = new FakeClock(NOW_MS);
  const random = seededRandom(7);
  const material = buildSelfSigned({ trustDomain: 'cluster.local', nowMs: NOW_MS, ttlMs: rootTtlMs, random });
  const authority = createCertificateAuthority(checkMaterial(material), clock, random);
  const issue = (ttlMs = DAY_MS, more: { withCommonName?: boolean; serviceAccount?: string } = {}) =>
    authority.issue({
      identity: { ...REVIEWS, serviceAccount: more.serviceAccount ?? REVIEWS.serviceAccount },
      publicKey: publicKeyDer(newPrivateKey()),
      ttlMs,
      withCommonName: more.withCommonName ?? false,
    });
  return { clock, material, authority, issue };
}

describe('a leaf (X509-SVID conformance)', () => {
  const { issue, material } = setUp();
  const { leafPem } = issue();
  const facts = readCertificate(new X509Certificate(leafPem).raw);
  const parsed = new x509.X509Certificate(leafPem);

  it('row 1: has exactly one URI name, its SPIFFE id', () => {
    expect(facts.uris).toEqual([REVIEWS_ID]);
    expect(facts.otherNames).toBe(0);
    const san = parsed.getExtension(x509.SubjectAlternativeNameExtension);
    expect(san?.names.items.map(({ type, value }) => [type, value])).toEqual([['url', REVIEWS_ID]]);
  });

  it('row 3: has an empty subject and a critical name', () => {
    expect(parsed.subject).toBe('');
    expect(parsed.getExtension(OID.subjectAltName)?.critical).toBe(true);
  });

  it('row 4: may sign handshakes and nothing else', () => {
    expect(parsed.getExtension(x509.BasicConstraintsExtension)).toMatchObject({ ca: false, critical: true });
    const usage = parsed.getExtension(x509.KeyUsagesExtension);
    expect(usage?.critical).toBe(true);
    expect(usage?.usages).toBe(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment);
    expect(facts.keyUsage).toBe(KEY_USAGE.digitalSignature | KEY_USAGE.keyEncipherment);
  });

  it('row 5: is for servers and clients', () => {
    expect(parsed.getExtension(x509.ExtendedKeyUsageExtension)?.usages).toEqual([OID.serverAuth, OID.clientAuth]);
  });

  it('begins two minutes early and ends in whole seconds', () => {
    expect(facts.notBefore).toBe(Date.UTC(2026, 5, 1, 11, 58, 0));
    expect(facts.notAfter).toBe(Date.UTC(2026, 5, 2, 12, 0, 0));
  });

  it('is signed by the intermediate, which is signed by the root', async () => {
    const intermediate = new x509.X509Certificate(material.caCertPem);
    const root = new x509.X509Certificate(material.rootCertPem);
    expect(await parsed.verify({ publicKey: intermediate, date: new Date(NOW_MS) })).toBe(true);
    expect(await intermediate.verify({ publicKey: root, date: new Date(NOW_MS) })).toBe(true);
    expect(await root.isSelfSigned()).toBe(true);
    expect(parsed.issuer).toBe(intermediate.subject);
  });

  it('has a common name only when asked for and short enough', () => {
    expect(new x509.X509Certificate(issue(DAY_MS, { withCommonName: true }).leafPem).subject).toBe(`CN=${REVIEWS_ID}`);
    const long = issue(DAY_MS, { withCommonName: true, serviceAccount: 'a'.repeat(63) });
    expect(new x509.X509Certificate(long.leafPem).subject).toBe('');
  });
});

describe('signing certificates (X509-SVID conformance)', () => {
  const { material } = setUp();

  it.each([
    ['root', material.rootCertPem, undefined],
    ['intermediate', material.caCertPem, 0],
  ])('row 6: the %s may sign, and its SPIFFE id has no path', (_, pem, pathLength) => {
    const parsed = new x509.X509Certificate(pem);
    const constraints = parsed.getExtension(x509.BasicConstraintsExtension);
    expect(constraints).toMatchObject({ ca: true, critical: true });
    expect(constraints?.pathLength).toBe(pathLength);
    expect(parsed.getExtension(x509.KeyUsagesExtension)?.usages).toBe(
      x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
    );
    expect(readCertificate(new X509Certificate(pem).raw).uris).toEqual(['spiffe://cluster.local']);
    expect(parsed.subject).toContain('O=cluster.local');
  });

  it('row 7: is refused as an identity', () => {
    expect(readSvid(new X509Certificate(material.caCertPem).raw)).toMatchObject({ ok: false });
  });
});

describe('issuing', () => {
  it('never outlives the signer', () => {
    const { issue, material } = setUp(HOUR_MS);
    const end = readCertificate(new X509Certificate(material.caCertPem).raw).notAfter;
    expect(issue(DAY_MS).notAfter).toBe(end);
    expect(issue(HOUR_MS / 2).notAfter).toBeLessThan(end);
  });

  it('stops when the signer has expired', () => {
    const { clock, issue } = setUp(HOUR_MS);
    clock.advance(HOUR_MS);
    expect(() => issue()).toThrow('the signing certificate has expired');
  });

  it('refuses an identity that can not be written', () => {
    const { issue } = setUp();
    expect(() => issue(DAY_MS, { serviceAccount: 'a,b' })).toThrow(RangeError);
  });

  it('gives every one of a thousand leaves a serial of its own', () => {
    const material = buildSelfSigned({
      trustDomain: 'cluster.local',
      nowMs: NOW_MS,
      ttlMs: DAY_MS,
      random: systemRandom,
    });
    const authority = createCertificateAuthority(checkMaterial(material), new FakeClock(NOW_MS), systemRandom);
    const publicKey = publicKeyDer(newPrivateKey());
    const serials = new Set<string>();
    for (let i = 0; i < 1_000; i += 1) {
      const { leafPem } = authority.issue({ identity: REVIEWS, publicKey, ttlMs: HOUR_MS });
      serials.add(new X509Certificate(leafPem).serialNumber);
    }
    expect(serials.size).toBe(1_000);
    expect([...serials].every((serial) => serial.length === 32)).toBe(true);
  });
});
