import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { controlPlaneId } from '@weft/contracts';
import { createTestAuthority, tempDir, waitFor, type TempDir } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bookinfo } from './testing/registry.ts';

let folder: TempDir;
let program: string;
const at = (name: string): string => join(folder.path, name);

beforeAll(async () => {
  folder = await tempDir();
  const root = fileURLToPath(new URL('..', import.meta.url));
  execFileSync(process.execPath, ['../../tools/bundle.mjs', at('dist'), 'src/main.ts'], { cwd: root });
  program = at('dist/main.js');
  const { certChainPem, privateKeyPem, rootsPem } = createTestAuthority().issue(controlPlaneId());
  await mkdir(at('config'));
  await Promise.all([
    writeFile(at('cert.pem'), certChainPem),
    writeFile(at('key.pem'), privateKeyPem),
    writeFile(at('roots.pem'), rootsPem),
    writeFile(at('registry.json'), JSON.stringify(bookinfo())),
  ]);
}, 30_000);

afterAll(() => folder.remove());

const flags = (registry = 'registry.json'): string[] =>
  `--config ${at('config')} --registry ${at(registry)} --tls-cert ${at('cert.pem')} --tls-key ${at('key.pem')} --tls-roots ${at('roots.pem')} --address 127.0.0.1:0 --monitoring-address 127.0.0.1:0`.split(
    ' ',
  );

describe('the pilot program', () => {
  it('runs alone: reads, serves its pages, follows its files, ends on SIGTERM', async () => {
    await writeFile(at('debug.token'), 'the token of debug pages\n');
    const child = spawn(process.execPath, [program, ...flags(), '--debug-token-file', at('debug.token')], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const { monitoringPort } = JSON.parse(line.toString()) as { monitoringPort: number };
    const page = async (path: string): Promise<string> =>
      (await fetch(`http://127.0.0.1:${monitoringPort}${path}`)).text();
    expect(await page('/ready')).toBe('ready\n');
    expect(await page('/metrics')).toContain('pilot_services 4\n');
    const debug = (token?: string) =>
      fetch(`http://127.0.0.1:${monitoringPort}/debug/registryz`, {
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      });
    expect([(await debug()).status, (await debug('another')).status]).toEqual([401, 401]);
    expect(await (await debug('the token of debug pages')).json()).toHaveLength(4);
    await writeFile(
      at('config/vs.yaml'),
      'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: { name: a, namespace: default }\nspec: { hosts: [reviews], http: [{ route: [{ destination: { host: reviews } }] }] }\n',
    );
    await waitFor(async () => (await page('/metrics')).includes('pilot_virt_services 1\n'), {
      what: 'the new virtual service',
    });
    const foreign = await fetch(`http://localhost:${monitoringPort}/metrics`, { method: 'POST' }).catch(
      () => undefined,
    );
    expect(foreign?.status ?? 405).toBe(405);
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });
  it('says what is wrong with its flags and files', async () => {
    expect(spawnSync(process.execPath, [program, '--help'], { encoding: 'utf8' }).stdout).toContain(
      '--registry <file>',
    );
    await writeFile(at('bad.json'), '{"services":[]}');
    const run = spawnSync(process.execPath, [program, ...flags('bad.json')], { encoding: 'utf8', timeout: 10_000 });
    expect([run.status, run.stderr]).toEqual([1, expect.stringContaining('has no list "workloads"') as string]);
  });
});
