/** A throw-away certificate authority for tests: real chains, any names, also wrong ones. */
import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { der, KEY_USAGE, OID, type Der } from '@weft/contracts';

export interface TestSecret {
  /** The leaf alone: the root signs directly. */
  readonly certChainPem: string;
  readonly privateKeyPem: string;
  /** The issuing authority's root. */
  readonly rootsPem: string;
}

export interface TestAuthority {
  readonly rootsPem: string;
  /** @param names of the leaf: usually one SPIFFE id; those that are no URI are DNS names. @param ttlMs may be negative: expired. */
  issue(names: string | readonly string[], ttlMs?: number): TestSecret;
}

const HOUR_MS = 3_600_000;
// RFC 5280 §4.2.1.6
const [DNS_NAME, URI_NAME] = [2, 6];
const ECDSA_SHA256 = der.sequence(der.objectId('1.2.840.10045.4.3.2'));

export function createTestAuthority(name = 'test root'): TestAuthority {
  const root = newKey();
  const issuer = commonName(name);
  const keyId = createHash('sha1').update(spki(root)).digest();
  const rootsPem = pem(
    certificate(issuer, issuer, root, root, HOUR_MS * 24, [
      extension(OID.basicConstraints, true, der.sequence(der.boolean(true))),
      extension(OID.keyUsage, true, der.bitString(Uint8Array.of(KEY_USAGE.keyCertSign | KEY_USAGE.crlSign), 1)),
      extension(OID.subjectKeyIdentifier, false, der.octetString(keyId)),
    ]),
  );
  return {
    rootsPem,
    issue(names, ttlMs = HOUR_MS) {
      const key = newKey();
      const altNames = (typeof names === 'string' ? [names] : names).map((name) =>
        der.context(name.includes('://') ? URI_NAME : DNS_NAME, Buffer.from(name), false),
      );
      const usages = der.sequence(der.objectId(OID.serverAuth), der.objectId(OID.clientAuth));
      const leaf = certificate(der.sequence(), issuer, key, root, ttlMs, [
        extension(OID.keyUsage, true, der.bitString(Uint8Array.of(KEY_USAGE.digitalSignature), 7)),
        extension(OID.extKeyUsage, false, usages),
        extension(OID.basicConstraints, true, der.sequence()),
        extension(OID.authorityKeyIdentifier, false, der.sequence(der.context(0, keyId, false))),
        ...(altNames.length > 0 ? [extension(OID.subjectAltName, true, der.sequence(...altNames))] : []),
      ]);
      const privateKeyPem = key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
      return { certChainPem: pem(leaf), privateKeyPem, rootsPem };
    },
  };
}

interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const newKey = (): KeyPair => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const spki = (key: KeyPair): Buffer => key.publicKey.export({ type: 'spki', format: 'der' });
const pem = (certificate: Der): string => der.pem('CERTIFICATE', certificate);
const commonName = (text: string): Der =>
  der.sequence(der.set(der.sequence(der.objectId('2.5.4.3'), der.utf8String(text))));
const extension = (oid: string, critical: boolean, value: Der): Der =>
  der.sequence(der.objectId(oid), ...(critical ? [der.boolean(true)] : []), der.octetString(value));

function certificate(
  subject: Der,
  issuer: Der,
  own: KeyPair,
  signer: KeyPair,
  ttlMs: number,
  extensions: readonly Der[],
): Der {
  const now = Date.now();
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  const body = der.sequence(
    der.context(0, der.unsignedInteger(Uint8Array.of(2)), true),
    der.unsignedInteger(serial),
    ECDSA_SHA256,
    issuer,
    der.sequence(der.time(now - HOUR_MS), der.time(now + ttlMs)),
    subject,
    spki(own),
    der.context(3, der.sequence(...extensions), true),
  );
  return der.sequence(body, ECDSA_SHA256, der.bitString(sign('sha256', body, signer.privateKey)));
}
