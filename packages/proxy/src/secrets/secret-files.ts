/** Certificate, key and roots from a folder that somebody else keeps, under the names that Istio mounts them by. */
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { readSvid, type WorkloadSecret } from '@weft/contracts';
import { type Clock, type Logger, WeftError } from '@weft/kit';
import { readCertificate, readRoots } from './pem.ts';
import { watchFiles } from './watched-files.ts';

export interface FileSecrets {
  readonly workload: WorkloadSecret;
  readonly rootCaPem: string;
}

export interface SecretFilesDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called for the first ones, and whenever they have changed and fit together. */
  readonly onSecrets: (secrets: FileSecrets) => void;
}

export const SECRET_FILES = { chain: 'cert-chain.pem', key: 'key.pem', roots: 'root-cert.pem' } as const;

/** Of chain, key or roots. */
const MAX_BYTES = 1024 * 1024;

/**
 * Reads them now, and again and again until `close`. Files that are missing, half written or do not fit together change
 * nothing: what was good stays in force, and the log says once what is wrong.
 */
export function watchSecretFiles(
  dir: string,
  { clock, logger, onSecrets }: SecretFilesDeps,
): Promise<{ close(): void }> {
  let taken = '';
  return watchFiles(
    [SECRET_FILES.chain, SECRET_FILES.key, SECRET_FILES.roots].map((name) => join(dir, name)),
    {
      clock,
      maxBytes: MAX_BYTES,
      onTexts(texts) {
        const all = texts.join('\n');
        if (all === taken) return;
        const [chain = '', key = '', roots = ''] = texts;
        const secrets = parseSecrets(chain, key, roots);
        taken = all;
        onSecrets(secrets);
        logger.info({ dir, spiffeId: secrets.workload.spiffeId }, 'certificate and key were read');
      },
      onFault: (reason) => logger.warn({ dir, reason }, 'certificate and key can not be taken from the folder'),
    },
  );
}

/** @throws {WeftError} WEFT_SECRET_FILES when they are no certificate of a workload with its key. */
export function parseSecrets(certChainPem: string, privateKeyPem: string, rootCaPem: string): FileSecrets {
  readCertificate(certChainPem, privateKeyPem, SECRET_FILES.chain, SECRET_FILES.key);
  readRoots(rootCaPem, SECRET_FILES.roots);
  const leaf = new X509Certificate(certChainPem);
  const svid = readSvid(leaf.raw);
  if (!svid.ok) throw new WeftError('WEFT_SECRET_FILES', `${SECRET_FILES.chain} names no workload: ${svid.reason}`);
  return {
    workload: { certChainPem, privateKeyPem, spiffeId: svid.spiffeId, expiresAt: Date.parse(leaf.validTo) },
    rootCaPem,
  };
}
