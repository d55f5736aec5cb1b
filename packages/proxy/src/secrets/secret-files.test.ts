import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Logger, silentLogger } from '@weft/kit';
import { createTestAuthority, FakeClock, tempDir, type TempDir, type TestSecret, waitFor } from '@weft/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FileSecrets, parseSecrets, SECRET_FILES, watchSecretFiles } from './secret-files.ts';

const ID = 'spiffe://cluster.local/ns/default/sa/reviews';
const authority = createTestAuthority();

let dir: TempDir;
beforeEach(async () => {
  dir = await tempDir();
});
afterEach(() => dir.remove());

const put = async (secret: Pick<TestSecret, 'certChainPem' | 'privateKeyPem'>): Promise<void> => {
  await writeFile(join(dir.path, SECRET_FILES.chain), secret.certChainPem);
  await writeFile(join(dir.path, SECRET_FILES.key), secret.privateKeyPem);
  await writeFile(join(dir.path, SECRET_FILES.roots), authority.rootsPem);
};

async function watch() {
  const clock = new FakeClock(0);
  const told: FileSecrets[] = [];
  const warnings: string[] = [];
  const logger: Logger = {
    ...silentLogger,
    warn: (fields) => void warnings.push(String(Reflect.get(fields, 'reason'))),
  };
  const files = await watchSecretFiles(dir.path, { clock, logger, onSecrets: (secrets) => told.push(secrets) });
  return { clock, told, warnings, files };
}

describe('secrets from files', () => {
  it('are taken at the start, with who they are for and how long', async () => {
    const secret = authority.issue(ID);
    await put(secret);
    const { told, files } = await watch();
    files.close();
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({ rootCaPem: authority.rootsPem, workload: { ...without(secret), spiffeId: ID } });
    expect(told[0]?.workload.expiresAt).toBeGreaterThan(Date.now());
  });

  it('are taken again when they changed, and not before they fit together', async () => {
    await put(authority.issue(ID));
    const { clock, told, warnings, files } = await watch();
    const next = authority.issue(ID);
    await writeFile(join(dir.path, SECRET_FILES.key), next.privateKeyPem);
    clock.advance(2_000);
    await waitFor(() => warnings.length === 1);
    expect(warnings).toEqual(['key.pem is not the key of cert-chain.pem']);
    expect(told).toHaveLength(1);
    await put(next);
    await waitFor(() => {
      clock.advance(2_000);
      return told.length === 2;
    });
    files.close();
    expect(told[1]?.workload.privateKeyPem).toBe(next.privateKeyPem);
  });

  it('may come later, and may go: what was good stays', async () => {
    const { clock, told, warnings, files } = await watch();
    expect(told).toEqual([]);
    expect(warnings[0]).toMatch(/(cert-chain|key|root-cert)\.pem/);
    await put(authority.issue(ID));
    await waitFor(() => {
      clock.advance(2_000);
      return told.length === 1;
    });
    await rm(join(dir.path, SECRET_FILES.roots));
    await waitFor(() => {
      clock.advance(2_000);
      return warnings.length === 2;
    });
    files.close();
    expect(told).toHaveLength(1);
  });

  it.each([
    ['a chain that is none', 'x', undefined, 'cert-chain.pem can not be read'],
    ['a key that is none', undefined, 'x', 'key.pem can not be read'],
    [
      'a certificate without an identity',
      authority.issue([]).certChainPem,
      undefined,
      'key.pem is not the key of cert-chain.pem',
    ],
  ])('refuses %s', (_, chain, key, reason) => {
    const good = authority.issue(ID);
    expect(() => parseSecrets(chain ?? good.certChainPem, key ?? good.privateKeyPem, authority.rootsPem)).toThrow(
      reason,
    );
  });

  it('refuses a certificate that names no workload', () => {
    const { certChainPem, privateKeyPem } = authority.issue([]);
    expect(() => parseSecrets(certChainPem, privateKeyPem, authority.rootsPem)).toThrow(
      'cert-chain.pem names no workload',
    );
  });
});

const without = ({ certChainPem, privateKeyPem }: TestSecret) => ({ certChainPem, privateKeyPem });
