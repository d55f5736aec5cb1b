// Certificates made once for tests (`testdata/certificates`): two roots, and workloads of `cluster.local`.
import { readFileSync } from 'node:fs';
import type { TlsSecret } from '../ports.ts';

const read = (name: string): string =>
  readFileSync(new URL(`../../testdata/certificates/${name}`, import.meta.url), 'utf8');

export type CertificateName = 'client' | 'server' | 'stranger' | 'two-names';

export const certificate = (name: CertificateName): TlsSecret => ({
  certificateChain: read(`${name}.pem`),
  privateKey: read(`${name}.key`),
});
export const roots = (name: 'root' | 'foreign-root' = 'root'): TlsSecret => ({ trustedCa: read(`${name}.pem`) });
export const spiffe = (account: string): string => `spiffe://cluster.local/ns/default/sa/${account}`;
