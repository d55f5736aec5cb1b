/** What may be told about a workload's certificate. */
import { X509Certificate } from 'node:crypto';
import type { WorkloadCertificate, WorkloadSecret } from '@weft/contracts';

export function certificateFacts(secret: WorkloadSecret): WorkloadCertificate {
  // The leaf stands first.
  const leaf = new X509Certificate(secret.certChainPem);
  return {
    spiffeId: secret.spiffeId,
    serial: leaf.serialNumber.toLowerCase(),
    issuer: leaf.issuer.replaceAll('\n', ', '),
    fingerprint: leaf.fingerprint256.replaceAll(':', '').toLowerCase(),
    notBefore: Date.parse(leaf.validFrom),
    notAfter: Date.parse(leaf.validTo),
  };
}
