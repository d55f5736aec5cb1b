/** What an authority signs with: made new here, or loaded and checked before use. */
import { X509Certificate, type KeyObject } from 'node:crypto';
import { DerError, pemBlocks, readCertificate, der } from '@weft/contracts';
import { errorMessage, WeftError, type Random } from '@weft/kit';
import { CLOCK_SKEW_MS } from '../options.ts';
import { keyIdentifier, newPrivateKey, parsePrivateKey, privateKeyPem, publicKeyDer } from './keys.ts';
import { authorityCertificate, type Signer } from './profile.ts';

/** The files of a certificate authority, as text; names as in Istio's `cacerts`. */
export interface CaMaterial {
  /** `root-cert.pem`: one or more roots. */
  readonly rootCertPem: string;
  /** `ca-cert.pem`: the certificate that signs leaves. */
  readonly caCertPem: string;
  readonly caKeyPem: string;
  /** `cert-chain.pem`: from the signing certificate towards the root; may be empty when the root itself signs. */
  readonly certChainPem: string;
  /** Absent when the root is kept elsewhere. */
  readonly rootKeyPem?: string;
}

export interface SelfSignedOptions {
  readonly trustDomain: string;
  /** Epoch milliseconds. */
  readonly nowMs: number;
  readonly ttlMs: number;
  readonly random: Random;
}

/** A new root and an intermediate below it that signs leaves. Both end at the same time. */
export function buildSelfSigned({ trustDomain, nowMs, ttlMs, random }: SelfSignedOptions): CaMaterial {
  const rootKey = newPrivateKey();
  const caKey = newPrivateKey();
  const rootPublicKey = publicKeyDer(rootKey);
  const common = { trustDomain, notBefore: nowMs - CLOCK_SKEW_MS, notAfter: nowMs + ttlMs };
  const root = authorityCertificate(
    { ...common, commonName: 'Weft root', serial: random.bytes(16), publicKey: rootPublicKey },
    rootKey,
  );
  const signer = { key: rootKey, subject: readCertificate(root).subject, keyId: keyIdentifier(rootPublicKey) };
  const intermediate = authorityCertificate(
    {
      ...common,
      commonName: 'Weft intermediate',
      serial: random.bytes(16),
      publicKey: publicKeyDer(caKey),
      pathLength: 0,
    },
    caKey,
    signer,
  );
  const caCertPem = der.pem('CERTIFICATE', intermediate);
  return {
    rootCertPem: der.pem('CERTIFICATE', root),
    rootKeyPem: privateKeyPem(rootKey),
    caCertPem,
    caKeyPem: privateKeyPem(caKey),
    certChainPem: caCertPem,
  };
}

/** Checked material, ready to sign. */
export interface SigningBundle {
  readonly signer: Signer;
  /** Certificates between a leaf and the root, nearest first, one PEM block each. */
  readonly chainPem: readonly string[];
  /** The roots, one PEM block each. */
  readonly rootsPem: readonly string[];
  /** When the first certificate from the signer up to its root ends. Epoch milliseconds. */
  readonly notAfter: number;
  /** Expiry of each root, in the order of the bundle. */
  readonly rootsNotAfter: readonly number[];
}

const MAX_CHAIN = 5;

/** @throws {WeftError} WEFT_CA_MATERIAL when a part is missing, malformed, or does not fit the others. */
export function checkMaterial(material: CaMaterial): SigningBundle {
  const roots = parseCertificates('root-cert.pem', material.rootCertPem);
  const [signing, ...extra] = parseCertificates('ca-cert.pem', material.caCertPem);
  if (roots.length === 0) throw refused('root-cert.pem holds no certificate');
  if (!signing || extra.length > 0) throw refused('ca-cert.pem must hold exactly one certificate');
  const key = parseKey(material.caKeyPem);
  if (!signing.checkPrivateKey(key)) throw refused('ca-key.pem is not the key of ca-cert.pem');
  const path = findPath(signing, parseCertificates('cert-chain.pem', material.certChainPem), roots);
  const facts = readCertificate(signing.raw);
  return {
    signer: { key, subject: facts.subject, keyId: facts.subjectKeyId ?? keyIdentifier(facts.publicKey) },
    chainPem: path.filter((item) => !roots.some((root) => root.raw.equals(item.raw))).map(toPem),
    rootsPem: roots.map(toPem),
    notAfter: Math.min(...path.map((item) => readCertificate(item.raw).notAfter)),
    rootsNotAfter: roots.map((root) => readCertificate(root.raw).notAfter),
  };
}

/** From the signing certificate to its root, both included. */
function findPath(
  signing: X509Certificate,
  chain: readonly X509Certificate[],
  roots: readonly X509Certificate[],
): X509Certificate[] {
  const path: X509Certificate[] = [];
  let current = signing;
  while (path.length < MAX_CHAIN) {
    if (!readCertificate(current.raw).isCa) throw refused(`"${current.subject}" is not a signing certificate`);
    path.push(current);
    const child = current;
    if (roots.some((root) => root.raw.equals(child.raw))) return path;
    const parent = [...roots, ...chain].find((by) => !by.raw.equals(child.raw) && isIssuedBy(child, by));
    if (!parent) break;
    current = parent;
  }
  throw refused('ca-cert.pem does not lead to a root of root-cert.pem through cert-chain.pem');
}

const isIssuedBy = (child: X509Certificate, by: X509Certificate): boolean =>
  child.checkIssued(by) && child.verify(by.publicKey);

function parseCertificates(file: string, text: string): X509Certificate[] {
  const blocks = pemBlocks('CERTIFICATE', text);
  if (blocks.length === 0 && text.trim() !== '') throw refused(`${file} is not a PEM certificate`);
  return blocks.map((block) => {
    try {
      const certificate = new X509Certificate(block);
      readCertificate(certificate.raw);
      return certificate;
    } catch (error) {
      throw refused(`${file} holds a certificate that can not be read (${errorMessage(error)})`, error);
    }
  });
}

function parseKey(pem: string): KeyObject {
  try {
    return parsePrivateKey(pem);
  } catch {
    // Nothing of the cause is kept: it may quote the key.
    throw refused('ca-key.pem is not a private key');
  }
}

const toPem = (certificate: X509Certificate): string => der.pem('CERTIFICATE', certificate.raw);

const refused = (reason: string, cause?: unknown): WeftError =>
  new WeftError('WEFT_CA_MATERIAL', `the certificate authority can not be used: ${reason}`, {
    ...(cause instanceof DerError || cause instanceof Error ? { cause } : {}),
    fix: 'Restore the missing or damaged file, or move the folder away to start with a new root.',
  });
