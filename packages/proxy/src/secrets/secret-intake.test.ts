import { create, toBinary } from '@bufbuild/protobuf';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SecretSchema } from '@weft/contracts/full/envoy/extensions/transport_sockets/tls/v3/secret';
import { silentLogger } from '@weft/kit';
import { createTestAuthority, FakeClock, tempDir, type TempDir, waitFor } from '@weft/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSecretIntake } from './secret-intake.ts';
import { createSecretStore } from './secret-store.ts';

const authority = createTestAuthority();
const inline = (text: string) => ({ specifier: { case: 'inlineBytes' as const, value: Buffer.from(text) } });

let dir: TempDir;
beforeEach(async () => {
  dir = await tempDir();
});
afterEach(() => dir.remove());

function start(systemRoots = join(dir.path, 'system.pem')) {
  const store = createSecretStore();
  const changed: string[] = [];
  store.onChange((name) => changed.push(name));
  const clock = new FakeClock(0);
  const intake = createSecretIntake({ store, folders: [dir.path], systemRoots, clock, logger: silentLogger });
  const want = (files: readonly string[], served: readonly string[] = []): void =>
    intake.want({ files: new Set(files), served: new Set(served) });
  const faultOf = (name: string): string | undefined => store.named().get(name)?.fault;
  return { store, changed, clock, intake, want, faultOf };
}

const certificate = (name: string, chain: string, key: string) => ({
  name,
  bytes: toBinary(
    SecretSchema,
    create(SecretSchema, {
      name,
      type: { case: 'tlsCertificate', value: { certificateChain: inline(chain), privateKey: inline(key) } },
    }),
  ),
});
const roots = (name: string, more: object = {}) => ({
  name,
  bytes: toBinary(
    SecretSchema,
    create(SecretSchema, {
      name,
      type: { case: 'validationContext', value: { trustedCa: inline(authority.rootsPem), ...more } },
    }),
  ),
});

describe('secrets that settings name by file', () => {
  it('are read, those of the system from where it has them, and forgotten with their name', async () => {
    const { store, want, intake } = start();
    const secret = authority.issue('a.test');
    const [chain, key] = [join(dir.path, 'chain.pem'), join(dir.path, 'key.pem')];
    await Promise.all([
      writeFile(join(dir.path, 'system.pem'), authority.rootsPem),
      writeFile(chain, secret.certChainPem),
      writeFile(key, secret.privateKeyPem),
    ]);
    want(['file-root:system', `file-cert:${chain}~${key}`]);
    await waitFor(() => store.named().size === 2);
    expect(store.get('file-root:system')).toEqual({ trustedCa: authority.rootsPem });
    expect(store.get(`file-cert:${chain}~${key}`)).toEqual({
      certificateChain: secret.certChainPem,
      privateKey: secret.privateKeyPem,
    });
    want(['file-root:system']);
    expect([...store.named().keys()]).toEqual(['file-root:system']);
    intake.close();
  });

  it.each([
    ['file-root:', /is neither file-root:FILE nor file-cert/],
    ['file-cert:/a', /is neither file-root:FILE nor file-cert/],
    ['file-cert:/a~/b~/c', /is neither file-root:FILE nor file-cert/],
    ['file-root:/nowhere/at/all.pem', /ENOENT/],
    ['file-root:system', /can not be read/],
  ])('%s says what is wrong', async (name, reason) => {
    await writeFile(join(dir.path, 'system.pem'), 'no PEM');
    const { store, want, intake, faultOf } = start();
    want([name]);
    await waitFor(() => faultOf(name) !== undefined);
    expect(faultOf(name)).toMatch(reason);
    expect(store.get(name)).toBeUndefined();
    intake.close();
  });
});

describe('secrets that the control plane serves', () => {
  it('are taken when they were asked for, and stay when it takes them back', () => {
    const { store, changed, intake, want, faultOf } = start();
    want([], ['kubernetes://a', 'kubernetes://a-cacert']);
    expect(faultOf('kubernetes://a')).toContain('has not answered');
    const { certChainPem, privateKeyPem } = authority.issue('a.test');
    const given = [
      certificate('kubernetes://a', certChainPem, privateKeyPem),
      roots('kubernetes://a-cacert'),
      roots('kubernetes://uninvited'),
    ];
    expect(intake.take(given, [])).toEqual([]);
    expect(intake.take(given, ['kubernetes://a'])).toEqual([]);
    expect(changed).toEqual(['kubernetes://a', 'kubernetes://a-cacert']);
    expect(store.get('kubernetes://a')?.certificateChain).toBe(certChainPem);
    expect(store.get('kubernetes://uninvited')).toBeUndefined();
    expect(intake.take([], ['kubernetes://a'])).toEqual([]);
    expect([faultOf('kubernetes://a'), store.get('kubernetes://a') !== undefined]).toEqual([
      expect.stringContaining('no such secret'),
      true,
    ]);
    want([]);
    expect(store.get('kubernetes://a')).toBeUndefined();
  });

  it.each([
    [
      'the key of another',
      () => certificate('s', authority.issue('a').certChainPem, authority.issue('b').privateKeyPem),
    ],
    ['no certificate', () => certificate('s', 'nothing', authority.issue('b').privateKeyPem)],
    ['no key', () => certificate('s', authority.issue('a').certChainPem, '')],
    ['a name of its own', () => ({ ...roots('t'), name: 's' })],
    ['a rule beside its roots', () => roots('s', { crl: inline('x') })],
    [
      'neither certificate nor roots',
      () => ({ name: 's', bytes: toBinary(SecretSchema, create(SecretSchema, { name: 's' })) }),
    ],
    ['garbage', () => ({ name: 's', bytes: Uint8Array.of(0xff) })],
  ])('are refused with %s; what stood stands', (_, make) => {
    const { store, intake, want, faultOf } = start();
    want([], ['s']);
    intake.take([roots('s')], []);
    const refused = intake.take([make()], []);
    expect(refused.map(({ name }) => name)).toEqual(['s']);
    expect(faultOf('s')).toBe(refused[0]?.reason);
    expect(store.get('s')).toEqual({ trustedCa: authority.rootsPem });
  });

  it('never stand for the own identity of the workload', () => {
    const { store, intake, want } = start();
    want([], ['kubernetes://a']);
    intake.take([roots('ROOTCA'), roots('default')], []);
    expect([store.get('ROOTCA'), store.get('default')]).toEqual([undefined, undefined]);
  });
});
