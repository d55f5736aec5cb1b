import { der, spiffeId, type WorkloadIdentity } from '@weft/contracts';
import { WeftError, type Clock, type Random } from '@weft/kit';
import { CLOCK_SKEW_MS } from '../options.ts';
import type { SigningBundle } from './material.ts';
import { leafCertificate } from './profile.ts';

export interface LeafRequest {
  readonly identity: WorkloadIdentity;
  /** SubjectPublicKeyInfo, as DER. */
  readonly publicKey: Uint8Array;
  readonly ttlMs: number;
  /** The caller's request had a common name, so the leaf gets one where the id fits. */
  readonly withCommonName?: boolean;
}

export interface IssuedLeaf {
  readonly leafPem: string;
  /** Between leaf and root, nearest first. */
  readonly intermediatesPem: readonly string[];
  readonly rootsPem: string;
  readonly spiffeId: string;
  /** Epoch milliseconds. */
  readonly notAfter: number;
}

/** Signs leaves. Who may have which identity was decided before. */
export interface CertificateAuthority {
  /** @throws {WeftError} WEFT_CA_EXPIRED when the signing chain has ended. */
  issue(request: LeafRequest): IssuedLeaf;
  rootsPem(): string;
  /** Between any leaf and its root, nearest first. */
  intermediatesPem(): readonly string[];
  expiry(): { readonly chainNotAfter: number; readonly rootsNotAfter: readonly number[] };
}

// X.520 ub-common-name; longer ids go without.
const MAX_COMMON_NAME = 64;

export function createCertificateAuthority(bundle: SigningBundle, clock: Clock, random: Random): CertificateAuthority {
  const rootsPem = bundle.rootsPem.join('');
  return {
    issue({ identity, publicKey, ttlMs, withCommonName = false }) {
      const id = spiffeId(identity);
      const nowMs = clock.now();
      if (bundle.notAfter <= nowMs) {
        throw new WeftError('WEFT_CA_EXPIRED', 'the signing certificate has expired');
      }
      const notAfter = wholeSeconds(Math.min(nowMs + ttlMs, bundle.notAfter));
      const leaf = leafCertificate(
        {
          serial: random.bytes(16),
          notBefore: nowMs - CLOCK_SKEW_MS,
          notAfter,
          publicKey,
          spiffeId: id,
          ...(withCommonName && id.length <= MAX_COMMON_NAME ? { commonName: id } : {}),
        },
        bundle.signer,
      );
      return {
        leafPem: der.pem('CERTIFICATE', leaf),
        intermediatesPem: bundle.chainPem,
        rootsPem,
        spiffeId: id,
        notAfter,
      };
    },
    rootsPem: () => rootsPem,
    intermediatesPem: () => bundle.chainPem,
    expiry: () => ({ chainNotAfter: bundle.notAfter, rootsNotAfter: bundle.rootsNotAfter }),
  };
}

// X.509 times have no fractions.
const wholeSeconds = (ms: number): number => Math.floor(ms / 1000) * 1000;
