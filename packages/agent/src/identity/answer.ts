/** Checks what a certificate authority answered, before any of it is used. */
import { X509Certificate } from 'node:crypto';
import { pemBlocks, readSvid } from '@weft/contracts';
import { errorMessage, WeftError } from '@weft/kit';

export interface Expected {
  readonly spiffeId: string;
  /** SubjectPublicKeyInfo, as DER. */
  readonly publicKey: Uint8Array;
  /** Epoch milliseconds. */
  readonly nowMs: number;
}

export interface CertifiedIdentity {
  /** Leaf first, then intermediates; no root. */
  readonly certChainPem: string;
  readonly rootCaPem: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

const MAX_PATH = 5;

/**
 * @param chain leaf first; the last element holds every root.
 * @throws {WeftError} WEFT_CA_ANSWER unless the leaf is for our key and id, valid now, and leads to one of those roots.
 */
export function checkAnswer(chain: readonly string[], expected: Expected): CertifiedIdentity {
  if (chain.length < 2) throw refused('it has no chain up to a root');
  const [leaf, ...between] = parse(chain.slice(0, -1).join(''));
  const roots = parse(chain.at(-1) ?? '');
  if (!leaf || roots.length === 0) throw refused('it has no certificate or no root');
  const svid = readSvid(leaf.raw);
  if (!svid.ok) throw refused(svid.reason);
  if (svid.spiffeId !== expected.spiffeId) throw refused(`it is for ${svid.spiffeId}, not ${expected.spiffeId}`);
  const { publicKey, notBefore, notAfter } = svid.certificate;
  if (!Buffer.from(publicKey).equals(expected.publicKey)) throw refused('it is for another key');
  if (expected.nowMs < notBefore)
    throw refused('it is not valid yet: compare the clocks of this host and the authority');
  if (expected.nowMs >= notAfter) throw refused('it has expired: compare the clocks of this host and the authority');
  if (!leadsToRoot(leaf, between, roots)) throw refused('its chain does not lead to the root that came with it');
  return {
    certChainPem: [leaf, ...between].map((certificate) => certificate.toString()).join(''),
    rootCaPem: roots.map((root) => root.toString()).join(''),
    expiresAt: notAfter,
  };
}

function leadsToRoot(
  leaf: X509Certificate,
  between: readonly X509Certificate[],
  roots: readonly X509Certificate[],
): boolean {
  let current = leaf;
  for (let length = 0; length < MAX_PATH; length += 1) {
    const child = current;
    const signedBy = (by: X509Certificate): boolean => child.checkIssued(by) && child.verify(by.publicKey);
    if (roots.some((root) => root.raw.equals(child.raw) || signedBy(root))) return true;
    const parent = between.find((by) => !by.raw.equals(child.raw) && signedBy(by));
    if (!parent) return false;
    current = parent;
  }
  return false;
}

function parse(text: string): X509Certificate[] {
  try {
    return pemBlocks('CERTIFICATE', text).map((block) => new X509Certificate(block));
  } catch (error) {
    throw refused(`a certificate can not be read (${errorMessage(error)})`);
  }
}

const refused = (reason: string): WeftError =>
  new WeftError('WEFT_CA_ANSWER', `the certificate that the authority sent is not usable: ${reason}`);
