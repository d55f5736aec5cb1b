/** What somebody with an old Node sees, by whatever command. */
import { execFile } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { tempDir } from '@weft/testkit';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

/** Runs a script of package.json as a package manager does, with a `node` in front that says it is another version. */
async function runOn(version: string, script: string): Promise<{ code: number; stdout: string; stderr: string }> {
  await using dir = await tempDir();
  const disguise = join(dir.path, 'disguise.cjs');
  writeFileSync(
    disguise,
    `const versions = { ...process.versions, node: ${JSON.stringify(version)} };
     Object.defineProperty(process, 'versions', { value: versions });
     Object.defineProperty(process, 'version', { value: 'v' + versions.node });`,
  );
  const node = join(dir.path, 'node');
  writeFileSync(node, `#!/bin/sh\nexec '${process.execPath}' --require '${disguise}' "$@"\n`);
  chmodSync(node, 0o755);
  // What would come after the check is not run.
  const program = script.replace(/&& .*$/, '&& echo goes on');
  return await new Promise((resolve) => {
    const env = { ...process.env, PATH: `${dir.path}:${process.env['PATH']}` };
    const child = execFile('sh', ['-c', program], { cwd: root, env }, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

// What `npx weft` starts.
const COMMAND = 'node apps/cli/bin/weft.mjs version --client';

describe('CL-01 a Node that is too old', () => {
  it.each(['demo', 'test', 'preinstall', 'weft'])(
    'CL-01 "%s" ends with what is needed and what to do, and starts nothing',
    async (name) => {
      for (const version of ['18.20.8', '20.18.3', '8.0.0']) {
        const { code, stdout, stderr } = await runOn(version, scripts[name] ?? COMMAND);
        expect([code, stdout]).toEqual([1, '']);
        expect(stderr).toBe(
          `error: Weft needs Node 20.19 or newer; this is v${version}\n` +
            '  fix:   install a current Node from https://nodejs.org, or run: nvm install --lts\n',
        );
      }
    },
  );

  it.each(['demo', 'test'])('CL-01 "%s" goes on with one that is new enough', async (name) => {
    for (const version of ['20.19.0', '22.0.0', '24.1.0'])
      expect(await runOn(version, scripts[name] ?? '')).toEqual({ code: 0, stdout: 'goes on\n', stderr: '' });
  });

  it('CL-01 "weft" does its work with one that is new enough', async () => {
    const { code, stdout, stderr } = await runOn('20.19.0', COMMAND);
    expect([code, stdout, stderr]).toEqual([0, expect.stringMatching(/\d+\.\d+\.\d+/), '']);
  });
});
