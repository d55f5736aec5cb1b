import { X509Certificate } from 'node:crypto';
import { errorMessage } from '@weft/kit';
import type { WorkloadIdentitySecret } from '../secrets/secret-store.ts';

/** Envoy's `envoy.admin.v3.Certificates`: what can be said of the identity without giving it away. */
export function certsJson(identity: WorkloadIdentitySecret | undefined, now: number): object {
  if (identity === undefined) return { certificates: [] };
  return {
    certificates: [
      {
        ca_cert: describeAll(identity.rootCaPem, 'ROOTCA', now),
        cert_chain: describeAll(identity.certChainPem, 'default', now),
      },
    ],
  };
}

function describeAll(pem: string, path: string, now: number): object[] {
  return certificatesOf(pem).map((text) => {
    try {
      const certificate = new X509Certificate(text);
      const until = Date.parse(certificate.validTo);
      return {
        path,
        serial_number: certificate.serialNumber.toLowerCase(),
        subject_alt_names: altNames(certificate.subjectAltName ?? ''),
        days_until_expiration: String(Math.max(0, Math.floor((until - now) / 86_400_000))),
        valid_from: new Date(certificate.validFrom).toISOString(),
        expiration_time: new Date(until).toISOString(),
      };
    } catch (error) {
      return { path, error: errorMessage(error) };
    }
  });
}

const certificatesOf = (pem: string): readonly string[] =>
  pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];

const altNames = (text: string): object[] =>
  text
    .split(', ')
    .filter((name) => name !== '')
    .map((name) => (name.startsWith('URI:') ? { uri: name.slice(4) } : { dns: name.replace(/^DNS:/, '') }));
