/** The command as a new user meets it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tempDir, waitFor } from '@weft/testkit';
import { http } from '../harness/http.ts';
import { startMesh, weft, type TestMesh } from '../harness/mesh.ts';
import { startEcho } from '../harness/programs.ts';

const ROUTE = `
# why this route is here
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: echo }
spec:
  hosts: [echo]
  http: [{ headers: { response: { set: { x-route: cli } } }, route: [{ destination: { host: echo } }] }]
`;

describe('CL-01 without a mesh', () => {
  it('CL-01 help and version answer at once; a typo, a bad flag and an unknown kind are usage errors', async () => {
    const help = await weft(['--help']);
    expect([help.code, help.stdout]).toEqual([
      0,
      expect.stringMatching(/up[\s\S]*demo[\s\S]*run[\s\S]*apply[\s\S]*status/),
    ]);
    expect((await weft([])).code).toBe(0);
    expect(await weft(['version', '--client', '-o', 'json'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('"client"') as string,
    });
    expect((await weft(['aply'])).code).toBe(64);
    expect((await weft(['up', '--ports', 'some'])).code).toBe(64);
    expect((await weft(['up', '--gateway-port', '99999'])).code).toBe(64);
    expect(await weft(['get', 'nonsense'])).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('virtualservices') as string,
    });
    expect(await weft(['get', 'vss'])).toMatchObject({
      code: 64,
      stderr: expect.stringMatching(/did you mean vs\?/) as string,
    });
    expect(await weft(['run', '--servic', 'x', '--', 'true'])).toMatchObject({
      code: 64,
      stderr: expect.stringMatching(/--servic'[\s\S]*did you mean --service\?/i) as string,
    });
    expect(await weft(['run', '--service', 'x', '--', 'true'])).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('needs --port') as string,
    });
    for (const shell of ['bash', 'zsh', 'fish']) {
      expect(await weft(['completion', shell])).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('dashboard') as string,
      });
    }
  });

  it('CL-01 without a running mesh each command says so, what to do, and with -o json as JSON', async () => {
    await using dir = await tempDir();
    for (const args of [
      ['status'],
      ['get', 'vs'],
      ['apply', '-f', '-'],
      ['dashboard'],
      ['delete', 'vs/x'],
      ['run', '--name', 'x', '--port', '7000', '--', 'true'],
      ['agent', '--name', 'x', '--port', '7000'],
    ]) {
      const [verb = '', ...rest] = args;
      const result = await weft([verb, '--state', dir.path, ...rest], { input: ROUTE });
      expect([args, result.code, result.stderr]).toEqual([
        args,
        69,
        expect.stringMatching(/no mesh runs in .*weft-test-[\s\S]*fix:.*weft (up|demo)/),
      ]);
    }
    const json = await weft(['status', '--state', dir.path, '-o', 'json']);
    expect(json.code).toBe(69);
    expect(JSON.parse(json.stdout)).toMatchObject({ error: { code: 'WEFT_NOT_RUNNING' } });
    expect(await weft(['logs', 'reviews-v1', '--state', dir.path])).toMatchObject({ code: 65 });
  });
});

describe('CL-01 with a mesh', () => {
  let mesh: TestMesh;
  beforeAll(async () => {
    mesh = await startMesh();
    await startEcho(mesh, { service: 'echo', version: 'v1' });
    await mesh.synced();
  });
  afterAll(() => mesh?.[Symbol.asyncDispose]());

  it('CL-01 apply, get and delete: whole, dry, unchanged, from a folder, with comments kept', async () => {
    expect(await mesh.weft(['apply', '-f', '-', '--dry-run'], { input: ROUTE })).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('created (dry run)') as string,
    });
    expect((await mesh.weft(['get', 'vs'])).stdout).toBe('');
    expect(await mesh.weft(['apply', '-f', '-'], { input: ROUTE })).toMatchObject({
      code: 0,
      stdout: 'virtualservice.networking.istio.io/echo created\n',
    });
    await using dir = await tempDir();
    writeFileSync(join(dir.path, 'echo.yaml'), ROUTE);
    expect((await mesh.weft(['apply', '-f', dir.path])).stdout).toContain('unchanged');
    expect((await mesh.weft(['get', 'virtualservices', '-o', 'name'])).stdout).toBe('virtualservice/echo\n');
    const shown = await mesh.weft(['get', 'vs/echo', '-o', 'json']);
    expect(JSON.parse(shown.stdout)).toMatchObject({
      kind: 'VirtualService',
      metadata: { name: 'echo', namespace: 'default' },
    });
    await mesh.synced();
    const echo = await mesh.outbound('echo-v1', 'echo', 8000);
    expect((await http(echo)).headers['x-route']).toBe('cli');
    expect(await mesh.weft(['delete', 'vs', 'echo'])).toMatchObject({ code: 0 });
    expect(await mesh.weft(['delete', 'vs', 'echo'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('was not found') as string,
    });
  });

  it.each([
    ['an unknown field', ROUTE.replace('}, route:', '}, rout:'), /spec\.http\[0\]\.rout\b[\s\S]*route/],
    ['a wrong type', ROUTE.replace('hosts: [echo]', 'hosts: echo'), /spec\.hosts/],
    ['a bad duration', ROUTE.replace('http: [{', 'http: [{ timeout: 5parsecs,'), /spec\.http\[0\]\.timeout/],
    [
      'a restriction that is not enforced',
      'apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: { name: jwt }\nspec: { jwtRules: [{ issuer: a }] }',
      /checks tokens/,
    ],
    ['what is no YAML', 'a: b: c: [', /-:1/],
    ['a template', ROUTE.replace('{ name: echo }', '{ name: {{ .Release.Name }} }'), /-:5:.*\n +fix: .*helm template/],
    ['one bad of two documents', `${ROUTE}---\n${ROUTE.replace('metadata: { name: echo }', 'metadata: {}')}`, /-:14:/],
    ['the same object twice', `${ROUTE}---\n${ROUTE}`, /-:12:1: error W0009: .*also in line 3 of the same text/],
    ['a key twice', ROUTE.replace('hosts: [echo]', 'hosts: [echo]\n  hosts: [other]'), /-:8:3: error W0002/],
    ['a kind in another case', ROUTE.replace('VirtualService', 'virtualservice'), /did you mean VirtualService/i],
  ])('CL-01 %s is refused with field, place and mend, and changes nothing', async (_, yaml, message) => {
    const result = await mesh.weft(['apply', '-f', '-'], { input: yaml });
    expect(result.code).toBe(65);
    expect(result.stderr).toMatch(message);
    expect(result.stderr).toMatch(/-:\d+(:\d+)?: error W\d{4}/);
    expect((await mesh.weft(['get', 'all', '-o', 'name'])).stdout).toBe('');
  });

  it('CL-01 what is applied and leads nowhere is applied, with a warning; get says it again; an empty input is refused', async () => {
    const nowhere = await mesh.weft(['apply', '-f', '-'], { input: ROUTE.replace('{ host: echo }', '{ host: ecko }') });
    expect([nowhere.code, nowhere.stderr]).toEqual([
      0,
      expect.stringMatching(/warning W0040 spec\.http\[0\]\.route\[0\].*ecko/),
    ]);
    for (const words of [['all'], ['vs', 'echo'], ['vs', 'echo', '-o', 'yaml']])
      expect((await mesh.weft(['get', ...words])).stderr, words.join(' ')).toMatch(/: warning W0040 spec\..*ecko/);
    await mesh.weft(['delete', 'vs/echo']);
    expect((await mesh.weft(['get', 'all'])).stderr).not.toContain('W0040');
    expect(await mesh.weft(['apply', '-f', '-'])).toMatchObject({
      code: 65,
      stderr: expect.stringContaining('is empty') as string,
    });
    for (const nothing of ['# a comment\n', 'apiVersion: v1\nkind: List\nitems: []\n'])
      expect(await mesh.weft(['apply', '-f', '-'], { input: nothing })).toEqual({
        code: 0,
        stdout: '',
        stderr: '- holds no objects\n',
      });
    // As Windows writes it.
    const marked = `\ufeff${ROUTE.replaceAll('\n', '\r\n')}`;
    expect((await mesh.weft(['apply', '-f', '-'], { input: marked })).stdout).toContain('echo created');
    await mesh.weft(['delete', 'vs/echo']);
  });

  it('CL-01 status, dashboard and logs tell where to look', async () => {
    const status = await mesh.weft(['status']);
    expect(status.code).toBe(0);
    expect(status.stdout).toMatch(/echo-v1\.default\s+healthy\s+synced\s+(127|10\.244)\.[\d.]+:8000/);
    expect(status.stdout).toMatch(/proxies +2 of 2 in sync/);
    expect(status.stdout).toContain(mesh.console);
    expect(status.stdout).toMatch(/npx weft status --state \S+ --all/);
    expect(status.stdout).not.toMatch(/outbound|certificate ends/i);
    const all = await mesh.weft(['status', '--all']);
    expect(all.stdout).toMatch(/CERTIFICATE ENDS[\s\S]*echo-v1\.default\s+synced(\s+\S+){3}/);
    expect(all.stdout.split('\n').length).toBeGreaterThan(status.stdout.split('\n').length);
    const json = JSON.parse((await mesh.weft(['status', '-o', 'json'])).stdout) as { mesh: { ports: unknown[] } };
    expect(json.mesh.ports.length).toBeGreaterThan(4);
    const { stdout: link } = await mesh.weft(['dashboard', '--no-browser', 'traffic']);
    expect(link).toMatch(new RegExp(`^http://127\\.0\\.0\\.1:${mesh.ports.console}/`));
    expect(await mesh.weft(['dashboard', 'grap'])).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('graph') as string,
    });
    expect((await mesh.weft(['logs', 'echo-v1'])).stdout).toContain('listening on');
    expect((await mesh.weft(['logs', 'echo-v1', '--proxy', '--tail', '1'])).stdout.split('\n')).toHaveLength(2);
    expect(await mesh.weft(['logs', 'nobody'])).toMatchObject({
      code: 65,
      stderr: expect.stringContaining('echo-v1') as string,
    });
  });

  it("CL-01 run passes the program's end on: its exit code, and what could not be started", async () => {
    const ended = await mesh.run(
      ['--name', 'short', '--port', '7000', '--', process.execPath, '-e', 'setTimeout(() => process.exit(7), 500)'],
      { ready: false },
    );
    await new Promise((resolve) => ended.child.once('exit', resolve));
    expect(ended.child.exitCode).toBe(7);
    const missing = await mesh.weft(['run', '--name', 'missing', '--port', '7000', '--', '/no/such/program']);
    expect([missing.code === 0, missing.stderr]).toEqual([
      false,
      expect.stringContaining('/no/such/program could not be started'),
    ]);
    expect((await mesh.supervisor()).workloads.map((item) => item.name)).not.toContain('short');
    const twice = await mesh.weft(['run', '--service', 'echo', '--port', '8000', '--', 'true']);
    expect([twice.code, twice.stderr]).toEqual([1, expect.stringMatching(/already runs[\s\S]*--name/)]);
  });

  it("CL-01 exec has what the workload's program has in its environment, and says when there is no such program", async () => {
    const { code, stdout } = await mesh.weft(['exec', 'echo-v1', '--', '/bin/sh', '-c', 'echo $HOST:$PORT']);
    const port = (await mesh.inside('echo-v1')).ports[0];
    expect([code, stdout]).toEqual([0, `${mesh.isolated ? '0.0.0.0' : port?.appAddress}:${port?.appPort}\n`]);
    expect(await mesh.weft(['exec', 'echo-v1', '--', 'nosuchcmd'])).toMatchObject({
      code: 127,
      stderr: expect.stringMatching(/^error: there is no program nosuchcmd\n +fix: /) as string,
    });
  });

  it('CL-01 status says how long the supervisor is up, and ends with 79 while something is ill', async () => {
    expect(mesh.output()).toContain(`npx weft run --state ${mesh.state} --service NAME`);
    const well = await mesh.weft(['status']);
    expect([well.code, well.stdout]).toEqual([0, expect.stringMatching(/control plane \d+ \(up \d+/)]);
    const { processes } = await mesh.inside('echo-v1');
    process.kill(processes?.app ?? 0, 'SIGSTOP');
    try {
      await waitFor(async () => (await mesh.weft(['status'])).code === 79, { timeoutMs: 60_000, what: 'exit code 79' });
    } finally {
      process.kill(processes?.app ?? 0, 'SIGCONT');
    }
    await waitFor(async () => (await mesh.weft(['status'])).code === 0, { timeoutMs: 60_000, what: 'exit code 0' });
  });

  it('CL-01 run says when the mesh ended under it and fails; it ends well when the user stops it', async () => {
    await using own = await startMesh();
    const serve = [
      '--port',
      '7000',
      '--',
      process.execPath,
      '-e',
      'require("net").createServer().listen(process.env.PORT)',
    ];
    const stopped = await own.run(['--name', 'stopped', ...serve]);
    expect(await stopped.stop('SIGINT')).toBe(0);
    const bereft = await own.run(['--name', 'bereft', ...serve]);
    process.kill((await own.supervisor()).pid, 'SIGKILL');
    await waitFor(() => bereft.child.exitCode !== null, { timeoutMs: 30_000, what: 'the end of weft run' });
    expect([bereft.child.exitCode, bereft.output()]).toEqual([69, expect.stringMatching(/error: the mesh ended/)]);
  });
});
