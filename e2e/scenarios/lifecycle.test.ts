/** The demo from its first line to its last: what it leaves behind, however it ends. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { tempDir, waitFor } from '@weft/testkit';
import { http } from '../harness/http.ts';
import { samples, weft, weftProgram } from '../harness/mesh.ts';
import { listeningPorts, processesWith } from '../harness/processes.ts';

interface Started {
  readonly state: string;
  readonly child: ChildProcess;
  output(): string;
}

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

/** @param wrap a launcher or terminal around the command, which it has as `{}`. */
async function startDemo(wrap: readonly string[] = [], kept?: string): Promise<Started> {
  const started = spawnDemo(kept ?? (await stateFolder()), wrap);
  await waitFor(() => started.output().includes('Ctrl-C stops everything'), {
    timeoutMs: 90_000,
    what: `the demo to be up: ${started.output()}`,
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${started.output()}`, { cause: error });
  });
  return started;
}

const CA_FILES = ['ca-cert.pem', 'ca-key.pem', 'cert-chain.pem', 'root-cert.pem', 'root-key.pem'];
const FREE_PORTS = ['--ports', 'auto', '--gateway-port', '0', '--console-port', '0'] as const;

async function stateFolder(): Promise<string> {
  const dir = await tempDir('weft-life-');
  cleanups.push(async () => {
    for (const { pid } of processesWith(dir.path)) process.kill(pid, 'SIGKILL');
    await waitFor(() => processesWith(dir.path).length === 0);
    await dir.remove();
  });
  return dir.path;
}

function spawnDemo(state: string, wrap: readonly string[] = [], flags: readonly string[] = []): Started {
  const command = [process.execPath, weftProgram, 'demo', '--state', state, ...FREE_PORTS, '--drain', '1', ...flags];
  const quoted = command.map((word) => `'${word}'`).join(' ');
  const line = wrap.length === 0 ? command : wrap.map((word) => word.replace('{}', quoted));
  const child = spawn(line[0] ?? '', line.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  // Before its folder goes.
  cleanups.unshift(() => Promise.resolve(void child.kill('SIGKILL')));
  return { state, child, output: () => output };
}

const portsOf = (state: string): { xds: number; gateway: number; console: number } =>
  (
    JSON.parse(readFileSync(join(state, 'run/mesh.json'), 'utf8')) as {
      ports: { xds: number; gateway: number; console: number };
    }
  ).ports;

const supervisorOf = (state: string): number =>
  (JSON.parse(readFileSync(join(state, 'run/mesh.json'), 'utf8')) as { pid: number }).pid;

/** No process and no open port; what an ordered end also removes is the caller's question. */
async function nothingLeft(state: string, ports: { xds: number; gateway: number; console: number }): Promise<void> {
  await waitFor(() => processesWith(state).length === 0, { timeoutMs: 20_000, what: 'every process to end' });
  const open = listeningPorts();
  expect(Object.values(ports).filter((port) => open.has(port))).toEqual([]);
}

describe('NW-01 one command, no container, no root', () => {
  it('NW-01 it says what it does, serves the page, and SIGTERM leaves no process, port or socket', async () => {
    const { state, child, output } = await startDemo();
    const ports = portsOf(state);
    expect((await http(`http://127.0.0.1:${ports.gateway}/productpage`)).status).toBe(200);
    expect((await http(`http://127.0.0.1:${ports.console}/`)).body).toContain('<html');
    expect(output()).toMatch(/starting the control plane[\s\S]*starting the gateway[\s\S]*starting Bookinfo/);
    expect(output().match(/weft (apply|dashboard|status)/g)?.length).toBeGreaterThanOrEqual(5);
    child.kill('SIGTERM');
    const [code] = (await once(child, 'exit')) as [number | null];
    expect(code).toBe(0);
    await nothingLeft(state, ports);
    expect([existsSync(join(state, 'supervisor.pid')), existsSync(join(state, 'run'))]).toEqual([false, false]);
    // What stays is state for the next run, in its own folder.
    expect(readdirSync(state).sort()).toEqual(expect.arrayContaining(['ca', 'config', 'logs', 'token']));
  });

  it('NW-01 a killed supervisor takes everything with it', async () => {
    const { state } = await startDemo();
    const ports = portsOf(state);
    expect(processesWith(state).length).toBeGreaterThan(5);
    // In the isolated form it is not the process that was started, but one in the hub.
    process.kill(supervisorOf(state), 'SIGKILL');
    await nothingLeft(state, ports);
    // The next start says so and goes on.
    const again = spawn(
      process.execPath,
      [
        weftProgram,
        'up',
        '--state',
        state,
        '--ports',
        'auto',
        '--gateway-port',
        '0',
        '--console-port',
        '0',
        '--no-gateway',
      ],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1' } },
    );
    let text = '';
    again.stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    await waitFor(() => text.includes('Ctrl-C'), { timeoutMs: 60_000 });
    expect(text).toContain('ended without cleaning up');
    again.kill('SIGTERM');
    await once(again, 'exit');
  });

  it('NW-01 the command killed: nothing of the mesh stays', async () => {
    const { state, child } = await startDemo();
    const ports = portsOf(state);
    child.kill('SIGKILL');
    await nothingLeft(state, ports);
  });

  it('NW-01 when its launcher is killed, as npx is by SIGTERM, it ends in order', async () => {
    // Like npx: a shell that waits for the command and passes no signal on.
    const { state, child, output } = await startDemo(['/bin/sh', '-c', '{}; true']);
    const ports = portsOf(state);
    child.kill('SIGTERM');
    await nothingLeft(state, ports);
    expect(output()).toMatch(/its launcher \(process \d+\) ended|SIGTERM/);
  });

  it('NW-01 in a terminal that is closed it ends, too', async ({ skip }) => {
    if (process.platform !== 'linux' || !existsSync('/usr/bin/script'))
      skip('needs the program script (util-linux) for a pseudo-terminal');
    const { state, child } = await startDemo(['/usr/bin/script', '-q', '-e', '/dev/null', '-c', '{}']);
    const ports = portsOf(state);
    child.kill('SIGKILL');
    await nothingLeft(state, ports);
  });

  it('NW-01 a second mesh in the same folder, a port that is taken and a folder that can not be written are refused with what to do', async () => {
    const { state } = await startDemo();
    const second = await weft(['up', '--state', state, '--ports', 'auto']);
    expect([second.code, second.stderr]).toEqual([1, expect.stringMatching(/already runs in[\s\S]*fix:/)]);
    const blocker = createServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    const { port } = blocker.address() as { port: number };
    await using dir = await tempDir();
    const taken = await weft(['up', '--state', dir.path, '--gateway-port', String(port), '--console-port', '0']);
    expect([taken.code, taken.stderr]).toEqual([
      1,
      expect.stringMatching(new RegExp(`port ${port}[\\s\\S]*--gateway-port`)),
    ]);
    blocker.close();
    const unwritable = await weft(['up', '--state', '/proc/weft']);
    expect([unwritable.code, unwritable.stderr]).toEqual([1, expect.stringMatching(/can not write[\s\S]*--state DIR/)]);
  });

  it('NW-01 a demo starts again with the configuration that the user left, although the page lacks a part by it', async () => {
    const first = await startDemo();
    const { state } = first;
    for (const file of [
      'virtual-service-reviews-v2',
      'virtual-service-ratings-delay-2s',
      'virtual-service-reviews-timeout',
    ])
      expect(await weft(['apply', '--state', state, '-f', join(samples, `bookinfo/${file}.yaml`)])).toMatchObject({
        code: 0,
      });
    first.child.kill('SIGTERM');
    await once(first.child, 'exit');
    const again = await startDemo([], state);
    const said = again.output();
    expect(said).toContain(`using the configuration that is in ${join(state, 'config')}; to start fresh`);
    expect(said).toMatch(/the page lacks a part \(.*reviews.*unavailable/i);
    expect(said).toContain(`npx weft delete --state ${state} KIND/NAME`);
  });

  it('NW-01 a start that fails ends by itself, with a reason and the exit code, and leaves no process or port', async () => {
    const broken = await stateFolder();
    mkdirSync(join(broken, 'ca'), { mode: 0o700 });
    for (const file of CA_FILES) writeFileSync(join(broken, 'ca', file), 'not a key', { mode: 0o600 });
    const up = await weft(['up', '--state', broken, ...FREE_PORTS]);
    expect([up.code, up.stderr]).toEqual([1, expect.stringMatching(/error: /)]);
    expect([processesWith(broken), existsSync(join(broken, 'supervisor.pid'))]).toEqual([[], false]);

    // All parts run by then; only the page never comes, as no gateway of the configuration leads to it.
    const wayless = await stateFolder();
    mkdirSync(join(wayless, 'config'), { mode: 0o700 });
    cpSync(join(samples, 'bookinfo/peer-authentication-strict.yaml'), join(wayless, 'config/strict.yaml'));
    const { child, output } = spawnDemo(wayless, [], ['--timeout', '6']);
    await waitFor(() => output().includes('waiting for the first page'), { timeoutMs: 90_000, what: 'the parts' });
    const ports = portsOf(wayless);
    const [code] = (await once(child, 'exit')) as [number | null];
    expect([code, output()]).toEqual([
      75,
      expect.stringMatching(/did not answer as it should[\s\S]*fix:.*to start fresh/),
    ]);
    await nothingLeft(wayless, ports);
  });

  it('NW-01 asked to stop while it starts, it stops', async () => {
    const state = await stateFolder();
    mkdirSync(join(state, 'config'), { mode: 0o700 });
    cpSync(join(samples, 'bookinfo/peer-authentication-strict.yaml'), join(state, 'config/strict.yaml'));
    const { child, output } = spawnDemo(state);
    await waitFor(() => output().includes('waiting for the first page'), { timeoutMs: 90_000, what: 'the parts' });
    const ports = portsOf(state);
    child.kill('SIGINT');
    const [code] = (await once(child, 'exit')) as [number | null];
    expect([code, output()]).toEqual([130, expect.not.stringContaining('did not answer')]);
    await nothingLeft(state, ports);
  });

  it('NW-01 only documented ports listen, all of them on loopback', async () => {
    const { state } = await startDemo();
    const pids = new Set(processesWith(state).map((item) => item.pid));
    const { stdout } = await weft(['status', '--state', state, '-o', 'json']);
    const documented = stdout;
    for (const { address, port, pid } of listeningPorts.detailed()) {
      if (pid === undefined || !pids.has(pid)) continue;
      expect(address.startsWith('127.')).toBe(true);
      expect(documented).toContain(String(port));
    }
  });
});
