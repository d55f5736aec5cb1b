/** Reads a signing request (RFC 2986). Only its public key, and whether it has a common name, matter to the authority. */
import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { DER_TAG, DerError, derReader, readBitStringBytes, readObjectId, readPem } from '@weft/contracts';
import { errorMessage } from '@weft/kit';
import { MAX_CSR_BYTES } from '../options.ts';

export interface SigningRequest {
  /** SubjectPublicKeyInfo, as DER. */
  readonly publicKey: Uint8Array;
  readonly hasCommonName: boolean;
}

/** The request is refused; the message says why and may be shown to the caller. */
export class CsrRefusedError extends Error {
  override readonly name = 'CsrRefusedError';
}

const SIGNATURE_HASHES: ReadonlyMap<string, { readonly kind: 'ec' | 'rsa'; readonly hash: string }> = new Map([
  ['1.2.840.10045.4.3.2', { kind: 'ec', hash: 'sha256' }],
  ['1.2.840.10045.4.3.3', { kind: 'ec', hash: 'sha384' }],
  ['1.2.840.10045.4.3.4', { kind: 'ec', hash: 'sha512' }],
  ['1.2.840.113549.1.1.11', { kind: 'rsa', hash: 'sha256' }],
  ['1.2.840.113549.1.1.12', { kind: 'rsa', hash: 'sha384' }],
  ['1.2.840.113549.1.1.13', { kind: 'rsa', hash: 'sha512' }],
]);
const CURVES: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1']);
const MIN_RSA_BITS = 2048;
// Verifying is quadratic in the size: larger keys cost the authority, not the caller.
const MAX_RSA_BITS = 8192;
const COMMON_NAME = '2.5.4.3';

/** @throws {CsrRefusedError} when it is not one well-formed request, signed by its own key, with a key that is strong enough. */
export function parseSigningRequest(pem: string): SigningRequest {
  if (Buffer.byteLength(pem) > MAX_CSR_BYTES)
    throw new CsrRefusedError(`the CSR is larger than ${MAX_CSR_BYTES} bytes`);
  try {
    return parseDer(readPem('CERTIFICATE REQUEST', pem));
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new CsrRefusedError(`the CSR can not be read: ${error.message}`);
  }
}

function parseDer(bytes: Uint8Array): SigningRequest {
  const outer = derReader(bytes);
  const request = derReader(outer.read(DER_TAG.sequence).content);
  outer.end();
  const body = request.read(DER_TAG.sequence);
  const algorithm = derReader(request.read(DER_TAG.sequence).content);
  const signature = readBitStringBytes(request.read(DER_TAG.bitString).content);
  request.end();

  const fields = derReader(body.content);
  const version = fields.read(DER_TAG.integer).content;
  if (version.length !== 1 || version[0] !== 0) throw new DerError('the version is not 1');
  const subject = fields.read(DER_TAG.sequence).content;
  const publicKey = fields.read(DER_TAG.sequence).whole;
  fields.readOptional(0xa0); // attributes: nothing in them is used
  fields.end();

  const key = loadKey(publicKey);
  checkStrength(key);
  const scheme = SIGNATURE_HASHES.get(readObjectId(algorithm.read(DER_TAG.objectId).content));
  if (!scheme || scheme.kind !== key.asymmetricKeyType) {
    throw new CsrRefusedError('the CSR is signed with an algorithm that is not accepted here');
  }
  if (!verify(scheme.hash, body.whole, key, signature)) {
    throw new CsrRefusedError('the signature of the CSR does not match its key');
  }
  return { publicKey, hasCommonName: readHasCommonName(subject) };
}

function loadKey(spki: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch (error) {
    throw new CsrRefusedError(`the public key of the CSR can not be read: ${errorMessage(error)}`);
  }
}

function checkStrength(key: KeyObject): void {
  const { namedCurve = '', modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'ec') {
    if (!CURVES.has(namedCurve)) throw new CsrRefusedError('the key is on a curve other than P-256 and P-384');
  } else if (key.asymmetricKeyType !== 'rsa') {
    throw new CsrRefusedError('the key is neither ECDSA nor RSA');
  } else if (modulusLength < MIN_RSA_BITS || modulusLength > MAX_RSA_BITS) {
    throw new CsrRefusedError(`the RSA key has ${modulusLength} bits; ${MIN_RSA_BITS} to ${MAX_RSA_BITS} are accepted`);
  }
}

function readHasCommonName(subject: Uint8Array): boolean {
  const names = derReader(subject);
  while (!names.atEnd) {
    const attributes = derReader(names.read(DER_TAG.set).content);
    while (!attributes.atEnd) {
      const type = derReader(attributes.read(DER_TAG.sequence).content).read(DER_TAG.objectId);
      if (readObjectId(type.content) === COMMON_NAME) return true;
    }
  }
  return false;
}
