import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tempDir, type TempDir } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCertificate, createTokenIssuer, newRequest, type TokenIssuer } from './testing/callers.ts';

let folder: TempDir;
let program: string;
let issuer: TokenIssuer;

beforeAll(async () => {
  folder = await tempDir();
  const root = fileURLToPath(new URL('..', import.meta.url));
  execFileSync(process.execPath, ['../../tools/bundle.mjs', join(folder.path, 'dist'), 'src/main.ts'], { cwd: root });
  program = join(folder.path, 'dist/main.js');
  issuer = await createTokenIssuer(() => Date.now());
  await writeFile(join(folder.path, 'jwks.json'), JSON.stringify({ keys: [issuer.publicJwk] }));
}, 30_000);

afterAll(() => folder.remove());

const flags = (dir: string): string[] =>
  `--dir ${join(folder.path, dir)} --jwks ${join(folder.path, 'jwks.json')} --address 127.0.0.1:0 --peer-address 127.0.0.1:0`.split(
    ' ',
  );

describe('the citadel program', () => {
  it('runs alone: issues, logs no secret, ends on SIGTERM', async () => {
    const child = spawn(process.execPath, [program, ...flags('ca'), '--ttl', '600'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let log = '';
    child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const { port } = JSON.parse(line.toString()) as { port: number };
    const rootsPem = await readFile(join(folder.path, 'ca/root-cert.pem'), 'utf8');
    const token = await issuer.token();
    const { csrPem } = newRequest();
    expect(await createCertificate({ port, rootsPem, csrPem, token })).toHaveLength(3);
    await expect(createCertificate({ port, rootsPem, csrPem, token })).rejects.toThrow('request authenticate failure');
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    expect(log).toContain('certificate issued');
    expect(log).toContain('token was used before');
    expect(log).not.toContain(token);
    expect(log).not.toContain(token.split('.')[2]);
    expect(log).not.toContain('PRIVATE KEY');
    expect((await readdir(folder.path)).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('keeps one root when several start at once', async () => {
    const children = Array.from({ length: 4 }, () =>
      spawn(process.execPath, [program, ...flags('shared')], { stdio: ['ignore', 'pipe', 'ignore'] }),
    );
    await Promise.all(children.map((child) => once(child.stdout, 'data')));
    const ended = children.map((child) => once(child, 'exit'));
    for (const child of children) child.kill('SIGTERM');
    expect(await Promise.all(ended)).toEqual([
      [0, null],
      [0, null],
      [0, null],
      [0, null],
    ]);
    expect((await readdir(join(folder.path, 'shared'))).length).toBe(5);
    expect((await readdir(folder.path)).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('explains itself, and what is wrong', async () => {
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', timeout: 10_000 });
    expect(run('--help').stdout).toContain('--jwks <file>');
    expect(run('--dir', 'x').stderr).toContain("required option '--jwks <file>'");
    const missing = run(...flags('other'), '--jwks', join(folder.path, 'none.json'));
    expect(missing.status).toBe(1);
    expect(missing.stderr).toContain('none.json can not be read as JSON');
    expect(run(...flags('other'), '--ttl', '0').stderr).toContain('whole number of seconds');
    expect(run(...flags('other'), '--trust-domain', 'A B').stderr).toContain('trust domain "A B"');
  });
});
