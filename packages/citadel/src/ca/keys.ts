import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { der, derReader, DER_TAG, readBitStringBytes } from '@weft/contracts';

/** A new ECDSA P-256 private key. */
export function newPrivateKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

export const privateKeyPem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();

/** @throws when the text is not one unencrypted private key. */
export const parsePrivateKey = (pem: string): KeyObject => createPrivateKey(pem);

/** SubjectPublicKeyInfo as DER. */
export const publicKeyDer = (privateKey: KeyObject): Uint8Array =>
  createPublicKey(privateKey).export({ type: 'spki', format: 'der' });

/** RFC 7093 §2 method 1: the first 160 bits of the SHA-256 of the key's bits. */
export function keyIdentifier(spki: Uint8Array): Uint8Array {
  const fields = derReader(derReader(spki).read(DER_TAG.sequence).content);
  fields.read(DER_TAG.sequence);
  const bits = readBitStringBytes(fields.read(DER_TAG.bitString).content);
  return createHash('sha256').update(bits).digest().subarray(0, 20);
}

interface SignatureScheme {
  readonly hash: string;
  readonly algorithm: Uint8Array;
}

/** The usual signature of this kind of key. @throws RangeError for kinds that do not sign certificates here. */
export function signatureScheme(key: KeyObject): SignatureScheme {
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (key.asymmetricKeyType === 'ec' && curve === 'prime256v1') return scheme('sha256', '1.2.840.10045.4.3.2');
  if (key.asymmetricKeyType === 'ec' && curve === 'secp384r1') return scheme('sha384', '1.2.840.10045.4.3.3');
  if (key.asymmetricKeyType === 'rsa')
    return scheme('sha256', '1.2.840.113549.1.1.11', der.tlv(0x05, new Uint8Array()));
  throw new RangeError(`a signing key is ECDSA P-256, P-384 or RSA, not ${key.asymmetricKeyType ?? 'of this kind'}`);
}

const scheme = (hash: string, oid: string, ...parameters: Uint8Array[]): SignatureScheme => ({
  hash,
  algorithm: der.sequence(der.objectId(oid), ...parameters),
});

/** `SEQUENCE { body, algorithm, signature }`: the outer form of certificates and signing requests. */
export function signedDer(body: Uint8Array, key: KeyObject): Uint8Array {
  const { hash, algorithm } = signatureScheme(key);
  return der.sequence(body, algorithm, der.bitString(sign(hash, body, key)));
}
