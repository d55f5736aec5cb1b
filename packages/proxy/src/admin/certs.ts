import { X509Certificate } from 'node:crypto';
import { errorMessage } from '@weft/kit';
import { SECRET_DEFAULT, SECRET_ROOT } from '@weft/contracts';
import type { PublicSecret } from '../secrets/secret-store.ts';

/** Envoy's `envoy.admin.v3.Certificates`: what can be said of identity and other secrets without giving them away. */
export function certsJson(secrets: readonly PublicSecret[], now: number): object {
  const describe = ({
    name,
    certificateChain,
    trustedCa,
  }: PublicSecret): { ca_cert: object[]; cert_chain: object[] } => ({
    ca_cert: trustedCa === undefined ? [] : describeAll(trustedCa, name, now),
    cert_chain: certificateChain === undefined ? [] : describeAll(certificateChain, name, now),
  });
  const isOwn = ({ name }: PublicSecret): boolean => name === SECRET_DEFAULT || name === SECRET_ROOT;
  const own = secrets.filter(isOwn).map(describe);
  const others = secrets
    .filter((secret) => !isOwn(secret))
    .map(describe)
    .filter(({ ca_cert: roots, cert_chain: chain }) => roots.length + chain.length > 0);
  const identity = {
    ca_cert: own.flatMap(({ ca_cert: roots }) => roots),
    cert_chain: own.flatMap(({ cert_chain: chain }) => chain),
  };
  return { certificates: [...(own.length === 0 ? [] : [identity]), ...others] };
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
