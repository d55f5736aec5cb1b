/** Certificates for peers that bring no authority of their own, by openssl. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Certificate } from './envoy.ts';

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];

/** One authority in the folder and a leaf for each name: `spiffe://cluster.local/ns/default/sa/NAME`. */
export function makeCertificates<Name extends string>(
  parent: string,
  names: readonly Name[],
): Readonly<Record<Name, Certificate>> {
  const dir = join(parent, 'certificates');
  mkdirSync(dir, { recursive: true });
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: dir, stdio: 'ignore' });
  openssl('req', '-x509', ...EC, '-subj', '/O=bench', '-keyout', 'ca.key', '-out', 'ca.pem');
  const made = names.map((name): [Name, Certificate] => {
    writeFileSync(join(dir, `${name}.ext`), `subjectAltName=URI:spiffe://cluster.local/ns/default/sa/${name}\n`);
    openssl('req', ...EC.slice(0, -2), '-subj', `/O=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`);
    openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-days',
      '2',
      '-extfile',
      `${name}.ext`,
      '-out',
      `${name}.pem`,
    );
    return [
      name,
      { certFile: join(dir, `${name}.pem`), keyFile: join(dir, `${name}.key`), caFile: join(dir, 'ca.pem') },
    ];
  });
  return Object.fromEntries(made) as Record<Name, Certificate>;
}
