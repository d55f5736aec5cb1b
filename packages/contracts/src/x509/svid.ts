/**
 * The identity inside an X.509 certificate, by the X509-SVID rules. Call it on a certificate whose chain the TLS layer has
 * already verified: it says who the peer is, never that the chain is good. It parses the DER, since Node's
 * `subjectaltname` text is ambiguous where a name holds commas or quotes.
 */
import { parseSpiffeId, type WorkloadIdentity } from '../identity.ts';
import { DER_TAG, DerError, derReader, readBoolean, readObjectId, readTime } from './der-reader.ts';

export const OID = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  authorityKeyIdentifier: '2.5.29.35',
  extKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

/** Bits of the key usage extension, most significant bit of the first byte first (RFC 5280 §4.2.1.3). */
export const KEY_USAGE = { digitalSignature: 0x80, keyEncipherment: 0x20, keyCertSign: 0x04, crlSign: 0x02 } as const;

export interface CertificateFacts {
  /** The subject's name, as DER: what the certificates it signs must carry as issuer. */
  readonly subject: Uint8Array;
  /** SubjectPublicKeyInfo, as DER. */
  readonly publicKey: Uint8Array;
  readonly subjectKeyId: Uint8Array | undefined;
  /** Epoch milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Lower-case hex without leading zeros. */
  readonly serial: string;
  /** URI names of the subject alternative name, as written. */
  readonly uris: readonly string[];
  /** How many alternative names of other kinds there are. They are never an identity. */
  readonly otherNames: number;
  readonly sanCritical: boolean;
  readonly isCa: boolean;
  /** First byte of the key usage bits; undefined without the extension. */
  readonly keyUsage: number | undefined;
  readonly keyUsageCritical: boolean;
  /** Object identifiers; undefined without the extension. */
  readonly extKeyUsage: readonly string[] | undefined;
}

export type SvidVerdict =
  | {
      readonly ok: true;
      readonly spiffeId: string;
      readonly identity: WorkloadIdentity;
      readonly certificate: CertificateFacts;
    }
  | { readonly ok: false; readonly reason: string };

interface Extension {
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/** @throws {DerError} when the bytes are not a certificate of RFC 5280. */
export function readCertificate(der: Uint8Array): CertificateFacts {
  const outer = derReader(der);
  const certificate = derReader(outer.read(DER_TAG.sequence).content);
  outer.end();
  const body = derReader(certificate.read(DER_TAG.sequence).content);
  body.readOptional(0xa0); // version
  const serial = Buffer.from(body.read(DER_TAG.integer).content).toString('hex').replace(/^0+/, '');
  body.read(DER_TAG.sequence); // signature algorithm
  body.read(DER_TAG.sequence); // issuer
  const validity = derReader(body.read(DER_TAG.sequence).content);
  const [notBefore, notAfter] = [readTime(validity.read()), readTime(validity.read())];
  const subject = body.read(DER_TAG.sequence).whole;
  const publicKey = body.read(DER_TAG.sequence).whole;
  body.readOptional(0x81);
  body.readOptional(0x82);
  const extensions = readExtensions(body.readOptional(0xa3)?.content);
  const san = extensions.get(OID.subjectAltName);
  const usage = extensions.get(OID.keyUsage);
  const extUsage = extensions.get(OID.extKeyUsage);
  const constraints = extensions.get(OID.basicConstraints);
  const keyId = extensions.get(OID.subjectKeyIdentifier);
  return {
    subject,
    publicKey,
    subjectKeyId: keyId && derReader(keyId.value).read(DER_TAG.octetString).content,
    notBefore,
    notAfter,
    serial,
    ...readNames(san?.value),
    sanCritical: san?.critical ?? false,
    isCa: constraints !== undefined && readIsCa(constraints.value),
    keyUsage: usage && readKeyUsage(usage.value),
    keyUsageCritical: usage?.critical ?? false,
    extKeyUsage: extUsage && readObjectIds(extUsage.value),
  };
}

/** Who this certificate says its holder is, or why it can not say so (X509-SVID §2–5). */
export function readSvid(der: Uint8Array): SvidVerdict {
  let certificate: CertificateFacts;
  try {
    certificate = readCertificate(der);
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    return { ok: false, reason: `the certificate can not be read: ${error.message}` };
  }
  const reason = svidFault(certificate);
  const spiffeId = certificate.uris[0] ?? '';
  const identity = parseSpiffeId(spiffeId);
  if (reason !== undefined) return { ok: false, reason };
  if (!identity) return { ok: false, reason: "the URI name is not a workload's SPIFFE id" };
  return { ok: true, spiffeId, identity, certificate };
}

function svidFault(certificate: CertificateFacts): string | undefined {
  const { uris, isCa, keyUsage, extKeyUsage } = certificate;
  if (isCa) return 'a signing certificate is not an identity';
  if (uris.length !== 1) return `the certificate has ${uris.length} URI names; exactly one is wanted`;
  if (keyUsage === undefined) return 'the certificate has no key usage';
  if ((keyUsage & (KEY_USAGE.keyCertSign | KEY_USAGE.crlSign)) !== 0) return 'the key may sign certificates';
  if ((keyUsage & KEY_USAGE.digitalSignature) === 0) return 'the key may not sign handshakes';
  if (extKeyUsage && !(extKeyUsage.includes(OID.serverAuth) && extKeyUsage.includes(OID.clientAuth))) {
    return 'the extended key usage lacks server or client authentication';
  }
  return undefined;
}

function readExtensions(content: Uint8Array | undefined): Map<string, Extension> {
  const found = new Map<string, Extension>();
  if (!content) return found;
  const outer = derReader(content);
  const list = derReader(outer.read(DER_TAG.sequence).content);
  outer.end();
  while (!list.atEnd) {
    const extension = derReader(list.read(DER_TAG.sequence).content);
    const id = readObjectId(extension.read(DER_TAG.objectId).content);
    const critical = extension.readOptional(DER_TAG.boolean);
    const value = extension.read(DER_TAG.octetString).content;
    extension.end();
    if (found.has(id)) throw new DerError(`extension ${id} appears twice`);
    found.set(id, { critical: critical !== undefined && readBoolean(critical.content), value });
  }
  return found;
}

const URI_NAME = 0x86;

function readNames(value: Uint8Array | undefined): Pick<CertificateFacts, 'uris' | 'otherNames'> {
  const uris: string[] = [];
  let otherNames = 0;
  if (!value) return { uris, otherNames };
  const outer = derReader(value);
  const names = derReader(outer.read(DER_TAG.sequence).content);
  outer.end();
  while (!names.atEnd) {
    const name = names.read();
    if (name.tag === URI_NAME) uris.push(Buffer.from(name.content).toString('latin1'));
    else otherNames += 1;
  }
  return { uris, otherNames };
}

function readIsCa(value: Uint8Array): boolean {
  const constraints = derReader(derReader(value).read(DER_TAG.sequence).content);
  const ca = constraints.readOptional(DER_TAG.boolean);
  return ca !== undefined && readBoolean(ca.content);
}

function readKeyUsage(value: Uint8Array): number {
  const bits = derReader(value).read(DER_TAG.bitString).content;
  return bits[1] ?? 0;
}

function readObjectIds(value: Uint8Array): string[] {
  const ids: string[] = [];
  const list = derReader(derReader(value).read(DER_TAG.sequence).content);
  while (!list.atEnd) ids.push(readObjectId(list.read(DER_TAG.objectId).content));
  return ids;
}
