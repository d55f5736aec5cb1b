import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { der, OID } from '@weft/contracts';

export interface KeyAndRequest {
  readonly privateKeyPem: string;
  /** SubjectPublicKeyInfo, as DER. */
  readonly publicKey: Uint8Array;
  /** PKCS #10, PEM. */
  readonly csrPem: string;
}

const ECDSA_SHA256 = '1.2.840.10045.4.3.2';
const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';

/** A new ECDSA P-256 key, and the request to certify it for this SPIFFE id. The key never leaves this process but to the proxy. */
export function newKeyAndRequest(spiffeId: string): KeyAndRequest {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  return {
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey,
    csrPem: der.pem('CERTIFICATE REQUEST', signingRequest(spiffeId, publicKey, privateKey)),
  };
}

/** RFC 2986 §4. Our authority takes the name from the caller; authorities that want it in the request find it here. */
function signingRequest(spiffeId: string, publicKey: Uint8Array, privateKey: KeyObject): Uint8Array {
  const names = der.sequence(der.context(6, Buffer.from(spiffeId, 'latin1'), false));
  const san = der.sequence(der.objectId(OID.subjectAltName), der.boolean(true), der.octetString(names));
  const attribute = der.sequence(der.objectId(EXTENSION_REQUEST), der.set(der.sequence(san)));
  const body = der.sequence(
    der.unsignedInteger(Uint8Array.of(0)),
    der.sequence(),
    publicKey,
    der.context(0, attribute, true),
  );
  const signature = sign('sha256', body, privateKey);
  return der.sequence(body, der.sequence(der.objectId(ECDSA_SHA256)), der.bitString(signature));
}
