/** Certificates with their state by share of life used. Pure. */
import type { CertificateView } from '@weft/contracts/console-views';
import type { CertificateRecord } from '../ports.ts';

/** Renewal is at half of the life; past this share something keeps it from happening. */
export const ENDING_PERCENT = 80;

export function buildCertificate(certificate: CertificateRecord, nowMs: number): CertificateView {
  const { subject, namespace, workload, serial, issuer, fingerprint, notBefore, notAfter } = certificate;
  const { renewedAt, renewalFailures } = certificate;
  const life = Math.max(1, notAfter - notBefore);
  const used = Math.min(100, Math.max(0, ((nowMs - notBefore) / life) * 100));
  return {
    subject,
    ...(namespace === undefined ? {} : { namespace }),
    ...(workload === undefined ? {} : { workload }),
    serial,
    issuer,
    fingerprint,
    notBefore,
    notAfter,
    lifeUsedPercent: Number(used.toFixed(1)),
    ...(renewedAt === undefined ? {} : { renewedAt }),
    ...(renewalFailures === undefined ? {} : { renewalFailures }),
    state: nowMs >= notAfter ? 'expired' : used >= ENDING_PERCENT ? 'ending' : 'valid',
  };
}
