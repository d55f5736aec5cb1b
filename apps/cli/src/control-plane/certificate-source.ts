/** Certificates of the mesh: of workloads as their keepers report them, of the authority as it is. */
import { X509Certificate } from 'node:crypto';
import type { CertificateRecord, CertificateSource } from '@weft/console-api';
import type { Citadel } from '@weft/citadel';
import type { FollowedRegistry } from './registry-source.ts';

export function createCertificateSource(citadel: Citadel, registry: FollowedRegistry): CertificateSource {
  return {
    roots: () => blocks(citadel.rootBundlePem()).map(recordOf),
    intermediates: () => citadel.intermediatesPem().map(recordOf),
    workloads: () =>
      registry.state().workloads.flatMap(({ name, namespace, certificate }) => {
        if (!certificate) return [];
        const { spiffeId, ...facts } = certificate;
        return [{ subject: spiffeId, namespace, workload: name, ...facts }];
      }),
  };
}

const blocks = (pem: string): string[] =>
  pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];

function recordOf(pem: string): CertificateRecord {
  const certificate = new X509Certificate(pem);
  return {
    subject: certificate.subject.replaceAll('\n', ', '),
    serial: certificate.serialNumber.toLowerCase(),
    issuer: certificate.issuer.replaceAll('\n', ', '),
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    notBefore: Date.parse(certificate.validFrom),
    notAfter: Date.parse(certificate.validTo),
  };
}
