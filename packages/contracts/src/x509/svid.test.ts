import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DerError } from './der-reader.ts';
import * as der from './der-writer.ts';
import { KEY_USAGE, OID, readCertificate, readSvid } from './svid.ts';

const REVIEWS = 'spiffe://cluster.local/ns/default/sa/reviews';
const uri = (text: string): der.Der => der.context(6, Buffer.from(text, 'latin1'), false);
const dns = (text: string): der.Der => der.context(2, Buffer.from(text, 'latin1'), false);
const extension = (oid: string, value: der.Der, critical = false): der.Der =>
  der.sequence(der.objectId(oid), ...(critical ? [der.boolean(true)] : []), der.octetString(value));
const san = (...names: der.Der[]): der.Der => extension(OID.subjectAltName, der.sequence(...names), true);
const keyUsage = (bits: number): der.Der => extension(OID.keyUsage, der.bitString(Uint8Array.of(bits)), true);
const extKeyUsage = (...ids: string[]): der.Der =>
  extension(OID.extKeyUsage, der.sequence(...ids.map((id) => der.objectId(id))));
const GOOD_USAGE = keyUsage(KEY_USAGE.digitalSignature | KEY_USAGE.keyEncipherment);

/** A certificate whose signature is nonsense: reading an identity does not look at it. */
function certificate(...extensions: der.Der[]): Uint8Array {
  const algorithm = der.sequence(der.objectId('1.2.840.10045.4.3.2'));
  const body = der.sequence(
    der.context(0, der.unsignedInteger(Uint8Array.of(2)), true),
    der.unsignedInteger(Uint8Array.of(1, 2, 3)),
    algorithm,
    der.sequence(),
    der.sequence(der.time(Date.UTC(2026, 0, 1)), der.time(Date.UTC(2026, 0, 2))),
    der.sequence(),
    der.sequence(algorithm, der.bitString(Uint8Array.of(4))),
    der.context(3, der.sequence(...extensions), true),
  );
  return der.sequence(body, algorithm, der.bitString(Uint8Array.of(0)));
}

const reasonFor = (...extensions: der.Der[]): string | undefined => {
  const verdict = readSvid(certificate(...extensions));
  return verdict.ok ? undefined : verdict.reason;
};

describe('readSvid (X509-SVID conformance)', () => {
  it('reads the one identity', () => {
    const verdict = readSvid(certificate(GOOD_USAGE, san(uri(REVIEWS)), extKeyUsage(OID.serverAuth, OID.clientAuth)));
    expect(verdict).toMatchObject({
      ok: true,
      spiffeId: REVIEWS,
      identity: { trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'reviews' },
      certificate: { serial: '10203', notBefore: Date.UTC(2026, 0, 1), sanCritical: true, keyUsageCritical: true },
    });
  });

  it('row 1: wants exactly one URI name', () => {
    expect(reasonFor(GOOD_USAGE)).toMatch(/0 URI names/);
    expect(reasonFor(GOOD_USAGE, san(uri(REVIEWS), uri(REVIEWS)))).toMatch(/2 URI names/);
    expect(reasonFor(GOOD_USAGE, san(uri(REVIEWS)), san(uri(REVIEWS)))).toMatch(/appears twice/);
  });

  it('row 1: wants a path', () => {
    expect(reasonFor(GOOD_USAGE, san(uri('spiffe://cluster.local')))).toMatch(/not a workload's SPIFFE id/);
  });

  it('row 2: other names may stand beside it, but are no identity', () => {
    expect(reasonFor(GOOD_USAGE, san(dns('reviews'), uri(REVIEWS)))).toBeUndefined();
    expect(reasonFor(GOOD_USAGE, san(dns(REVIEWS)))).toMatch(/0 URI names/);
  });

  it('is not fooled by a name that holds commas', () => {
    expect(reasonFor(GOOD_USAGE, san(uri(`https://x, URI:${REVIEWS}`)))).toMatch(/not a workload's SPIFFE id/);
    expect(reasonFor(GOOD_USAGE, san(dns(`x, URI:${REVIEWS}`)))).toMatch(/0 URI names/);
  });

  it('row 4: refuses keys that may sign certificates, or may not sign handshakes', () => {
    expect(reasonFor(san(uri(REVIEWS)))).toMatch(/no key usage/);
    expect(reasonFor(keyUsage(KEY_USAGE.keyEncipherment), san(uri(REVIEWS)))).toMatch(/may not sign handshakes/);
    for (const bit of [KEY_USAGE.keyCertSign, KEY_USAGE.crlSign]) {
      expect(reasonFor(keyUsage(KEY_USAGE.digitalSignature | bit), san(uri(REVIEWS)))).toMatch(/may sign certificates/);
    }
  });

  it('row 5: extended key usage, when there, names both roles', () => {
    expect(reasonFor(GOOD_USAGE, san(uri(REVIEWS)), extKeyUsage(OID.serverAuth))).toMatch(/lacks server or client/);
    expect(reasonFor(GOOD_USAGE, san(uri(REVIEWS)), extKeyUsage(OID.clientAuth))).toMatch(/lacks server or client/);
    expect(reasonFor(GOOD_USAGE, san(uri(REVIEWS)))).toBeUndefined();
  });

  it('row 7: never takes a signing certificate for an identity', () => {
    const authority = extension(OID.basicConstraints, der.sequence(der.boolean(true)), true);
    expect(reasonFor(GOOD_USAGE, authority, san(uri(REVIEWS)))).toMatch(/signing certificate/);
  });

  it('row 11: wants the spiffe scheme', () => {
    expect(reasonFor(GOOD_USAGE, san(uri('https://cluster.local/ns/default/sa/reviews')))).toMatch(/not a workload's/);
  });

  it('says why when the bytes are no certificate, and never fails otherwise', () => {
    const good = certificate(GOOD_USAGE, san(uri(REVIEWS)));
    expect(readSvid(Buffer.concat([good, Uint8Array.of(0)]))).toMatchObject({ ok: false });
    const position = fc.integer({ min: 0, max: good.length - 1 });
    fc.assert(
      fc.property(position, fc.integer({ min: 0, max: 255 }), fc.boolean(), (at, byte, cut) => {
        const bytes = Uint8Array.from(good);
        bytes[at] = byte;
        const verdict = readSvid(cut ? bytes.subarray(0, at) : bytes);
        expect(typeof verdict.ok).toBe('boolean');
      }),
      { numRuns: 2_000 },
    );
    expect(() => readCertificate(Uint8Array.of(0x30, 0))).toThrow(DerError);
  });
});
