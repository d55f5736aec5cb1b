import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { seededRandom, systemRandom } from '@weft/kit';
import { tempDir, type TempDir } from '@weft/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildSelfSigned, checkMaterial, type CaMaterial } from '../ca/material.ts';
import { createDirectoryStore } from './directory-store.ts';
import { loadOrCreate } from './load-or-create.ts';

let folder: TempDir;
let dir: string;
beforeEach(async () => {
  folder = await tempDir();
  dir = join(folder.path, 'ca');
});
afterEach(() => folder.remove());

const build = (): CaMaterial =>
  buildSelfSigned({ trustDomain: 'cluster.local', nowMs: Date.now(), ttlMs: 86_400_000, random: systemRandom });

describe('the authority in a folder', () => {
  it('is made once and then reloaded', async () => {
    const first = await loadOrCreate(createDirectoryStore(dir), build);
    const second = await loadOrCreate(createDirectoryStore(dir), build);
    expect(first.created).toBe(true);
    expect(second).toEqual({ material: first.material, created: false });
  });

  it('is readable by its owner only', async () => {
    await loadOrCreate(createDirectoryStore(dir), build);
    expect((await stat(dir)).mode & 0o777).toBe(0o700);
    const files = await readdir(dir);
    expect(files.sort()).toEqual(['ca-cert.pem', 'ca-key.pem', 'cert-chain.pem', 'root-cert.pem', 'root-key.pem']);
    for (const file of files) expect((await stat(join(dir, file))).mode & 0o777).toBe(0o600);
    expect(await readdir(folder.path)).toEqual(['ca']);
  });

  it('is the same for all of several starts at once', async () => {
    const starts = await Promise.all(Array.from({ length: 12 }, () => loadOrCreate(createDirectoryStore(dir), build)));
    expect(starts.filter(({ created }) => created)).toHaveLength(1);
    expect(new Set(starts.map(({ material }) => material.rootCertPem)).size).toBe(1);
    expect(new Set(starts.map(({ material }) => material.caKeyPem)).size).toBe(1);
    expect(await readdir(folder.path)).toEqual(['ca']);
  });

  it('takes an empty folder that is already there', async () => {
    await mkdir(dir);
    expect((await loadOrCreate(createDirectoryStore(dir), build)).created).toBe(true);
  });

  it('does not overwrite a folder of other things', async () => {
    await mkdir(dir);
    await writeFile(join(dir, 'notes.txt'), 'mine');
    await expect(loadOrCreate(createDirectoryStore(dir), build)).rejects.toMatchObject({ code: 'WEFT_CA_STORE' });
    expect(await readFile(join(dir, 'notes.txt'), 'utf8')).toBe('mine');
  });

  it.each(['ca-key.pem', 'ca-cert.pem', 'root-cert.pem', 'cert-chain.pem'])(
    'stops when %s is missing: it never makes a new root over an old one',
    async (file) => {
      await loadOrCreate(createDirectoryStore(dir), build);
      await rm(join(dir, file));
      await expect(loadOrCreate(createDirectoryStore(dir), build)).rejects.toMatchObject({
        code: 'WEFT_CA_INCOMPLETE',
        message: `incomplete signing CA bundle: no ${file}`,
      });
    },
  );

  it('works without the key of the root', async () => {
    await loadOrCreate(createDirectoryStore(dir), build);
    await rm(join(dir, 'root-key.pem'));
    const { material } = await loadOrCreate(createDirectoryStore(dir), build);
    expect(checkMaterial(material).chainPem).toHaveLength(1);
  });

  it('refuses a key that others may read', async () => {
    await loadOrCreate(createDirectoryStore(dir), build);
    await chmod(join(dir, 'ca-key.pem'), 0o644);
    await expect(loadOrCreate(createDirectoryStore(dir), build)).rejects.toMatchObject({ code: 'WEFT_CA_KEY_EXPOSED' });
  });
});

describe('material', () => {
  const make = (seed: number): CaMaterial =>
    buildSelfSigned({ trustDomain: 'cluster.local', nowMs: Date.now(), ttlMs: 1e9, random: seededRandom(seed) });
  const [ours, theirs] = [make(1), make(2)];

  it.each<[string, Partial<CaMaterial>, RegExp]>([
    ['a key of another certificate', { caKeyPem: theirs.caKeyPem }, /not the key of/],
    ['another root', { rootCertPem: theirs.rootCertPem }, /does not lead to a root/],
    ['a certificate that is no certificate', { caCertPem: 'x' }, /not a PEM certificate/],
    ['no root', { rootCertPem: '' }, /holds no certificate/],
    ['a key that is no key', { caKeyPem: 'x' }, /not a private key/],
    ['two signing certificates', { caCertPem: ours.caCertPem + ours.caCertPem }, /exactly one/],
  ])('refuses %s', (_, part, reason) => {
    expect(() => checkMaterial({ ...ours, ...part })).toThrow(reason);
  });

  it('never quotes a key in its refusal', () => {
    const broken = `-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n`;
    let text = '';
    try {
      checkMaterial({ ...ours, caKeyPem: broken });
    } catch (error) {
      text = `${String(error)} ${error instanceof Error ? String(error.cause) : ''}`;
    }
    expect(text).toContain('ca-key.pem');
    expect(text).not.toContain('c2VjcmV0');
  });

  it('takes a root that signs leaves itself, and several roots', () => {
    const alone = checkMaterial({
      rootCertPem: ours.rootCertPem + theirs.rootCertPem,
      caCertPem: ours.rootCertPem,
      caKeyPem: ours.rootKeyPem ?? '',
      certChainPem: '',
    });
    expect(alone.chainPem).toEqual([]);
    expect(alone.rootsPem).toHaveLength(2);
  });

  it('takes a plugged-in chain that names its root again', () => {
    const { chainPem } = checkMaterial({ ...ours, certChainPem: ours.caCertPem + ours.rootCertPem });
    expect(chainPem).toEqual([ours.caCertPem]);
  });
});
