/** Certificate, key and roots from a folder that somebody else keeps, under the names that Istio mounts them by. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readSvid, type WorkloadSecret } from '@weft/contracts';
import { type Clock, errorMessage, type Logger, type Timer, WeftError } from '@weft/kit';

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

// Certificates live for hours; a folder may be a mount whose changes no event tells.
const LOOK_EVERY_MS = 2_000;

/**
 * Reads them now, and again and again until `close`. Files that are missing, half written or do not fit together change
 * nothing: what was good stays in force, and the log says once what is wrong.
 */
export async function watchSecretFiles(
  dir: string,
  { clock, logger, onSecrets }: SecretFilesDeps,
): Promise<{ close(): void }> {
  let timer: Timer | undefined;
  let closed = false;
  let taken = '';
  let complaint = '';
  const look = async (): Promise<void> => {
    try {
      const texts = await Promise.all(
        [SECRET_FILES.chain, SECRET_FILES.key, SECRET_FILES.roots].map((name) => readFile(join(dir, name), 'utf8')),
      );
      const all = texts.join('\n');
      if (all !== taken && !closed) {
        const [chain = '', key = '', roots = ''] = texts;
        const secrets = parseSecrets(chain, key, roots);
        taken = all;
        onSecrets(secrets);
        logger.info({ dir, spiffeId: secrets.workload.spiffeId }, 'certificate and key were read');
      }
      complaint = '';
    } catch (error) {
      const reason = errorMessage(error);
      if (reason !== complaint) logger.warn({ dir, reason }, 'certificate and key can not be taken from the folder');
      complaint = reason;
    }
    if (!closed) timer = clock.after(LOOK_EVERY_MS, () => void look());
  };
  await look();
  return {
    close() {
      closed = true;
      timer?.cancel();
    },
  };
}

/** @throws {WeftError} WEFT_SECRET_FILES when they are no certificate of a workload with its key. */
export function parseSecrets(certChainPem: string, privateKeyPem: string, rootCaPem: string): FileSecrets {
  const refuse = (file: string, reason: string): never => {
    throw new WeftError('WEFT_SECRET_FILES', `${file} ${reason}`);
  };
  const read = <T>(file: string, parse: () => T): T => {
    try {
      return parse();
    } catch (error) {
      return refuse(file, `can not be read: ${errorMessage(error)}`);
    }
  };
  const leaf = read(SECRET_FILES.chain, () => new X509Certificate(certChainPem));
  read(SECRET_FILES.roots, () => new X509Certificate(rootCaPem));
  const key = read(SECRET_FILES.key, () => createPrivateKey(privateKeyPem));
  if (!leaf.checkPrivateKey(key)) refuse(SECRET_FILES.key, `is not the key of ${SECRET_FILES.chain}`);
  const svid = readSvid(leaf.raw);
  if (!svid.ok) return refuse(SECRET_FILES.chain, `names no workload: ${svid.reason}`);
  return {
    workload: { certChainPem, privateKeyPem, spiffeId: svid.spiffeId, expiresAt: Date.parse(leaf.validTo) },
    rootCaPem,
  };
}
