import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { silentLogger } from '@weft/kit';
import { createTestAuthority, FakeClock, tempDir, type TempDir, waitFor } from '@weft/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ProxyOptions } from '../options.ts';
import { createControlPlaneTarget } from './control-plane-target.ts';
import type { WorkloadIdentitySecret } from './secret-store.ts';

const authority = createTestAuthority();
const ID = 'spiffe://cluster.local/ns/default/sa/reviews';
const { certChainPem, privateKeyPem } = authority.issue(ID);
const identity: WorkloadIdentitySecret = {
  certChainPem,
  privateKeyPem,
  spiffeId: ID,
  expiresAt: 0,
  rootCaPem: authority.rootsPem,
};
const own = { certChainPem, privateKeyPem };

let dir: TempDir;
let [rootsFile, tokenFile] = ['', ''];
beforeEach(async () => {
  dir = await tempDir();
  [rootsFile, tokenFile] = [join(dir.path, 'roots.pem'), join(dir.path, 'token')];
  await writeFile(rootsFile, authority.rootsPem);
  await writeFile(tokenFile, 'abc.def\n');
});
afterEach(() => dir.remove());

const start = async (
  server: Partial<NonNullable<ProxyOptions['xdsServer']>> | undefined,
  known: { identity: WorkloadIdentitySecret | undefined } = { identity },
) => {
  const clock = new FakeClock(0);
  const options: Pick<ProxyOptions, 'xdsPlaintext' | 'xdsServer' | 'secretsDir'> = {
    xdsPlaintext: false,
    secretsDir: undefined,
    xdsServer: server && { name: 'istiod.test', rootsFile: undefined, tokenFile: undefined, ...server },
  };
  const target = await createControlPlaneTarget({
    options,
    address: () => 'host:15012',
    secrets: known,
    clock,
    logger: silentLogger,
  });
  return { target, clock };
};

describe('the target of discovery', () => {
  it("is Weft's control plane where nobody else is named", async () => {
    const { target } = await start(undefined);
    expect(target.now()).toEqual({
      address: 'host:15012',
      rootsPem: authority.rootsPem,
      serverId: 'spiffe://cluster.local/ns/weft-system/sa/weft-control-plane',
      own,
    });
    target.close();
  });

  it('is known by its name, and by the roots of the workload', async () => {
    const known: { identity: WorkloadIdentitySecret | undefined } = { identity: undefined };
    const { target } = await start({}, known);
    expect(() => target.now()).toThrow('certificate and key have not been read yet');
    known.identity = identity;
    expect(target.now()).toEqual({ address: 'host:15012', rootsPem: authority.rootsPem, serverId: 'istiod.test', own });
    target.close();
  });

  it('gets a token, as it is at that moment, and roots of its own', async () => {
    const { target, clock } = await start({ rootsFile, tokenFile }, { identity: undefined });
    expect(target.now()).toEqual({
      address: 'host:15012',
      rootsPem: authority.rootsPem,
      serverId: 'istiod.test',
      token: 'abc.def',
    });
    await writeFile(tokenFile, 'new.token');
    await waitFor(() => {
      clock.advance(2_000);
      const now = target.now();
      return 'token' in now && now.token === 'new.token';
    });
    target.close();
  });

  it.each([
    ['roots that are none', () => writeFile(rootsFile, 'nothing'), /roots\.pem can not be read/],
    ['no roots', () => rm(rootsFile), /ENOENT/],
    ['a token of two lines', () => writeFile(tokenFile, 'a\r\nx-evil: b'), /token holds no token/],
    ['an empty token', () => writeFile(tokenFile, '\n'), /token holds no token/],
    ['an endless token', () => writeFile(tokenFile, 'a'.repeat(64 * 1024 + 1)), /is longer than/],
  ])('is none with %s', async (_, spoil, reason) => {
    await spoil();
    const { target } = await start({ rootsFile, tokenFile }, { identity: undefined });
    expect(() => target.now()).toThrow(reason);
    target.close();
  });
});
