/** The X.509 profile: what each kind of certificate of this mesh contains. Pure, but for the signature. */
import type { KeyObject } from 'node:crypto';
import { der, KEY_USAGE, OID, type Der } from '@weft/contracts';
import { keyIdentifier, signatureScheme, signedDer } from './keys.ts';

export interface Signer {
  readonly key: KeyObject;
  /** The signer's own name, as DER. */
  readonly subject: Der;
  readonly keyId: Uint8Array;
}

export interface Validity {
  /** Epoch milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
}

interface Common extends Validity {
  /** 16 random bytes; made positive here. */
  readonly serial: Uint8Array;
  /** SubjectPublicKeyInfo, as DER. */
  readonly publicKey: Der;
}

/** One URI name and nothing else to identify the holder (X509-SVID §2). */
export interface LeafFields extends Common {
  readonly spiffeId: string;
  /** For peers that still read a common name; left out when absent. */
  readonly commonName?: string;
}

export interface AuthorityFields extends Common {
  readonly trustDomain: string;
  readonly commonName: string;
  /** How many signing certificates may follow below this one; absent = any. */
  readonly pathLength?: number;
}

export function leafCertificate(fields: LeafFields, signer: Signer): Der {
  const usage = KEY_USAGE.digitalSignature | KEY_USAGE.keyEncipherment;
  return certificate(fields, distinguishedName({ commonName: fields.commonName }), signer, [
    extension(OID.keyUsage, true, keyUsageBits(usage)),
    extension(OID.extKeyUsage, false, der.sequence(der.objectId(OID.serverAuth), der.objectId(OID.clientAuth))),
    extension(OID.basicConstraints, true, der.sequence()),
    authorityKeyId(signer),
    extension(OID.subjectAltName, true, uriNames([fields.spiffeId])),
  ]);
}

/** @param signer undefined for a root, which signs itself with `ownKey`. */
export function authorityCertificate(fields: AuthorityFields, ownKey: KeyObject, signer?: Signer): Der {
  const subject = distinguishedName({ organization: fields.trustDomain, commonName: fields.commonName });
  const keyId = keyIdentifier(fields.publicKey);
  const by = signer ?? { key: ownKey, subject, keyId };
  const pathLength = fields.pathLength === undefined ? [] : [der.unsignedInteger(Uint8Array.of(fields.pathLength))];
  return certificate(fields, subject, by, [
    extension(OID.keyUsage, true, keyUsageBits(KEY_USAGE.keyCertSign | KEY_USAGE.crlSign)),
    extension(OID.basicConstraints, true, der.sequence(der.boolean(true), ...pathLength)),
    extension(OID.subjectKeyIdentifier, false, der.octetString(keyId)),
    authorityKeyId(by),
    // A signing certificate names its trust domain, without a path (X509-SVID §3.1).
    extension(OID.subjectAltName, false, uriNames([`spiffe://${fields.trustDomain}`])),
  ]);
}

function certificate(fields: Common, subject: Der, signer: Signer, extensions: readonly Der[]): Der {
  const body = der.sequence(
    der.context(0, der.unsignedInteger(Uint8Array.of(2)), true),
    der.unsignedInteger(positive(fields.serial)),
    signatureScheme(signer.key).algorithm,
    signer.subject,
    der.sequence(der.time(fields.notBefore), der.time(fields.notAfter)),
    subject,
    fields.publicKey,
    der.context(3, der.sequence(...extensions), true),
  );
  return signedDer(body, signer.key);
}

/** RFC 5280 §4.1.2.2: positive, at most 20 octets. */
function positive(serial: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(serial);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes;
}

function distinguishedName(parts: { organization?: string; commonName?: string | undefined }): Der {
  const attribute = (oid: string, text: string): Der => der.set(der.sequence(der.objectId(oid), der.utf8String(text)));
  return der.sequence(
    ...(parts.organization === undefined ? [] : [attribute('2.5.4.10', parts.organization)]),
    ...(parts.commonName === undefined ? [] : [attribute('2.5.4.3', parts.commonName)]),
  );
}

const extension = (oid: string, critical: boolean, value: Der): Der =>
  der.sequence(der.objectId(oid), ...(critical ? [der.boolean(true)] : []), der.octetString(value));

const authorityKeyId = (signer: Signer): Der =>
  extension(OID.authorityKeyIdentifier, false, der.sequence(der.context(0, signer.keyId, false)));

const uriNames = (uris: readonly string[]): Der =>
  der.sequence(...uris.map((uri) => der.context(6, Buffer.from(uri, 'latin1'), false)));

function keyUsageBits(bits: number): Der {
  let unused = 0;
  while (unused < 7 && (bits & (1 << unused)) === 0) unused += 1;
  return der.bitString(Uint8Array.of(bits), unused);
}
