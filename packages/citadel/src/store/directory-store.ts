import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode, WeftError } from '@weft/kit';
import type { CaMaterial } from '../ca/material.ts';
import type { CaStore } from './ca-store.ts';

const FILES = {
  rootCertPem: 'root-cert.pem',
  caCertPem: 'ca-cert.pem',
  caKeyPem: 'ca-key.pem',
  certChainPem: 'cert-chain.pem',
  rootKeyPem: 'root-key.pem',
} as const satisfies Record<keyof CaMaterial, string>;

const REQUIRED = ['rootCertPem', 'caCertPem', 'caKeyPem', 'certChainPem'] as const;

/**
 * The authority in a folder (0700) of PEM files (0600), with Istio's `cacerts` names, so a root of one's own is plugged in
 * by putting its files there. The folder appears whole or not at all: it is filled beside its place and renamed into it,
 * which fails for whoever comes second.
 */
export function createDirectoryStore(dir: string): CaStore {
  return {
    async load() {
      let found = await readParts(dir);
      // Another start may have put the whole folder there between two reads: then the second reading has all.
      if (found.size > 0 && REQUIRED.some((part) => !found.has(part))) found = await readParts(dir);
      if (found.size === 0) return undefined;
      const missing = REQUIRED.filter((part) => !found.has(part)).map((part) => FILES[part]);
      if (missing.length > 0) {
        throw new WeftError('WEFT_CA_INCOMPLETE', `incomplete signing CA bundle: no ${missing.join(', ')}`, {
          where: dir,
          fix: 'Put the missing files back, or move the folder away to start with a new root.',
        });
      }
      await refuseIfReadableByOthers(join(dir, FILES.caKeyPem));
      if (found.has('rootKeyPem')) await refuseIfReadableByOthers(join(dir, FILES.rootKeyPem));
      const part = (name: keyof CaMaterial): string => found.get(name) ?? '';
      const rootKeyPem = found.get('rootKeyPem');
      return {
        rootCertPem: part('rootCertPem'),
        caCertPem: part('caCertPem'),
        caKeyPem: part('caKeyPem'),
        certChainPem: part('certChainPem'),
        ...(rootKeyPem === undefined ? {} : { rootKeyPem }),
      };
    },

    async create(material) {
      const parent = dirname(dir);
      await mkdir(parent, { recursive: true, mode: 0o700 });
      const temporary = join(parent, `.${basename(dir)}-${randomBytes(6).toString('hex')}.tmp`);
      try {
        await mkdir(temporary, { mode: 0o700 });
        await chmod(temporary, 0o700);
        for (const [part, file] of Object.entries(FILES) as [keyof CaMaterial, string][]) {
          const text = material[part];
          if (text !== undefined) await writeSynced(join(temporary, file), text);
        }
        return await renameIfFree(temporary, dir);
      } finally {
        await rm(temporary, { recursive: true, force: true });
      }
    },
  };
}

async function readParts(dir: string): Promise<ReadonlyMap<keyof CaMaterial, string>> {
  const found = new Map<keyof CaMaterial, string>();
  for (const [part, file] of Object.entries(FILES) as [keyof CaMaterial, string][]) {
    const text = await readIfPresent(join(dir, file));
    if (text !== undefined) found.set(part, text);
  }
  return found;
}

/** Renaming a folder replaces an empty one, and fails on one that has files. */
async function renameIfFree(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
    throw error;
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function refuseIfReadableByOthers(path: string): Promise<void> {
  const { mode } = await stat(path);
  if (process.platform === 'win32' || (mode & 0o077) === 0) return;
  throw new WeftError('WEFT_CA_KEY_EXPOSED', 'a key of the certificate authority can be read by other users', {
    where: path,
    fix: `chmod 600 ${path}, and make a new root if others may have read it.`,
  });
}
