/** What happens when parts of the mesh end, hang or get bad configuration. */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '@weft/testkit';
import { startLoad } from '../harness/load.ts';
import { http, keepAlive, many } from '../harness/http.ts';
import { startMesh, type TestMesh } from '../harness/mesh.ts';
import { startEcho } from '../harness/programs.ts';

let mesh: TestMesh;
let echo: string;

beforeAll(async () => {
  mesh = await startMesh();
  await Promise.all(
    ['echo-a', 'echo-b', 'echo-c'].map((name) => startEcho(mesh, { service: 'echo', version: 'v1', name })),
  );
  await startEcho(mesh, { service: 'client', version: 'v1', name: 'client' });
  await mesh.synced();
  echo = await mesh.outbound('client', 'echo', 8000);
});
afterAll(() => mesh?.[Symbol.asyncDispose]());

const hello = (header: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: echo }
spec:
  hosts: [echo]
  http: [{ headers: { response: { set: { x-hello: "${header}" } } }, route: [{ destination: { host: echo } }] }]
`;

const POISON = `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: poison }
spec:
  workloadSelector: { labels: { app: client } }
  egress:
    - hosts: ["./*"]
  ingress:
    - port: { number: 9999, protocol: HTTP, name: http }
      bind: 192.0.2.1
      captureMode: NONE
      defaultEndpoint: 127.0.0.1:1
`;

describe('SD-01 a directory of YAML', () => {
  it('SD-01 an edited file takes effect, a bad one leaves the last good state and names file and line, a mended one takes effect', async () => {
    const file = join(mesh.state, 'config', 'hello.yaml');
    const load = startLoad(echo, { connections: 4, everyMs: 20 });
    const seen = async (value: string | undefined) =>
      waitFor(async () => (await http(echo)).headers['x-hello'] === value, { what: `x-hello to be ${value}` });
    writeFileSync(file, hello('one'));
    await seen('one');
    // Replaced in one step, as editors and kubelet do.
    writeFileSync(`${file}.tmp`, hello('two'));
    renameSync(`${file}.tmp`, file);
    await seen('two');
    writeFileSync(file, hello('three').replace('route:', 'rout:'));
    const status = await waitFor(async () => {
      const { stdout, stderr } = await mesh.weft(['status']);
      return /hello\.yaml:\d+/.test(stdout + stderr) ? stdout + stderr : undefined;
    });
    expect(status).toMatch(/hello\.yaml:7/);
    expect(status).toMatch(/rout/);
    expect((await http(echo)).headers['x-hello']).toBe('two');
    writeFileSync(file, hello('four'));
    await seen('four');
    rmSync(file);
    await seen(undefined);
    const { failed, total } = await load.stop();
    expect(total).toBeGreaterThan(50);
    expect(failed).toEqual([]);
  });
});

describe('SD-02 local workloads', () => {
  it('SD-02 a killed instance leaves at once, without one failed GET', async () => {
    const victim = await mesh.workload('echo-c');
    const load = startLoad(echo, { connections: 8, everyMs: 5 });
    await load.atLeast(200);
    process.kill(victim.processes!.app!, 'SIGKILL');
    await waitFor(async () =>
      (await mesh.api<{ items: { name: string }[] }>('/api/v1/workloads')).items.every(
        (item) => item.name !== 'echo-c',
      ),
    );
    await load.atLeast(600);
    const { failed } = await load.stop();
    expect(failed).toEqual([]);
    // Back for the next tests.
    await startEcho(mesh, { service: 'echo', version: 'v1', name: 'echo-c' });
  });

  it('SD-02 a workload of another service that joins and leaves disturbs nobody', async () => {
    const load = startLoad(echo, { connections: 8, everyMs: 5 });
    await load.atLeast(100);
    for (const service of ['passer-by', 'another']) {
      const handle = await startEcho(mesh, { service, version: 'v1' });
      await load.atLeast(200);
      await handle.stop();
    }
    await load.atLeast(200);
    const { failed } = await load.stop();
    expect(failed).toEqual([]);
  });

  it('SD-02 a hung instance leaves after three missed heartbeats, and comes back when it answers', async () => {
    const { app } = (await mesh.workload('echo-a')).processes!;
    const health = async (): Promise<string> => {
      const { items } = await mesh.api<{ items: { name: string; health: { status: string } }[] }>('/api/v1/workloads');
      return items.find((item) => item.name === 'echo-a')?.health.status ?? 'gone';
    };
    expect(await health()).toBe('healthy');
    process.kill(app!, 'SIGSTOP');
    try {
      await waitFor(async () => (await health()) !== 'healthy', { what: 'echo-a to leave' });
      await mesh.synced();
      const agent = keepAlive(4);
      const answers = await many(60, () => http(echo, { agent, timeoutMs: 10_000 }), 4);
      agent.destroy();
      expect(answers.every((answer) => answer.status === 200)).toBe(true);
    } finally {
      process.kill(app!, 'SIGCONT');
    }
    await waitFor(async () => (await health()) === 'healthy', { what: 'echo-a to come back' });
  });
});

describe('OP-01 a sidecar is gone', () => {
  it('OP-01 one that can not start again takes its workload out of the mesh, without one failed GET, and brings it back', async () => {
    const health = async (): Promise<string> => {
      const { items } = await mesh.api<{ items: { name: string; health: { status: string } }[] }>('/api/v1/workloads');
      return items.find((item) => item.name === 'echo-b')?.health.status ?? 'gone';
    };
    const endpoints = async (): Promise<number> => {
      const answers = await Promise.all(Array.from({ length: 60 }, () => http(echo)));
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
      return new Set(answers.map(({ body }) => (JSON.parse(body) as { pid: number }).pid)).size;
    };
    expect([await health(), await endpoints()]).toEqual(['healthy', 3]);
    // Who was about to connect waits as long as a connect may take, 10 s, and then goes to another.
    const load = startLoad(echo, { connections: 4, everyMs: 20, timeoutMs: 30_000 });
    await load.atLeast(50);
    const letBe = keepDown('echo-b');
    try {
      await waitFor(async () => (await health()) !== 'healthy', { timeoutMs: 40_000, what: 'echo-b to leave' });
      await mesh.api('/api/v1/receipt?since=0&waitMs=10000');
      expect(await endpoints()).toBe(2);
    } finally {
      await letBe();
    }
    await waitFor(async () => (await health()) === 'healthy', { timeoutMs: 40_000, what: 'echo-b to come back' });
    await mesh.synced();
    expect(await endpoints()).toBe(3);
    const { failed } = await load.stop();
    expect(failed).toEqual([]);
  });
});

/** Kills each sidecar process of a workload as soon as it is there. @returns how to let it be. */
function keepDown(name: string): () => Promise<void> {
  let over = false;
  const killed = new Set<number>();
  const killing = (async () => {
    while (!over) {
      const found = (await mesh.supervisor()).workloads.find((item) => item.name === name);
      const pid = found?.processes?.proxy;
      if (pid !== undefined && !killed.has(pid)) {
        killed.add(pid);
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // It ended by itself meanwhile.
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  return () => {
    over = true;
    return killing;
  };
}

describe('OP-01 the control plane is gone', () => {
  it('OP-01 traffic flows, a restarted sidecar serves from its saved configuration, and all is in sync afterwards', async () => {
    const { controlPlanePid } = await mesh.supervisor();
    const agent = keepAlive(4);
    const load = startLoad(echo, { connections: 8, everyMs: 5 });
    await load.atLeast(100);
    // It would come back in a moment: hold it down by stopping it instead of killing it, then kill it.
    process.kill(controlPlanePid!, 'SIGSTOP');
    await load.atLeast(400);
    const { failed } = await load.stop();
    expect(failed).toEqual([]);
    const server = (await mesh.supervisor()).workloads.find((item) => item.name === 'echo-b');
    process.kill(server!.processes!.proxy!, 'SIGKILL');
    // The socket is the supervisor's: connections wait for the new process, which has its saved configuration and its agent's certificate.
    const answers = await many(100, () => http(echo, { agent, timeoutMs: 20_000 }), 4);
    expect(answers.every((answer) => answer.status === 200)).toBe(true);
    agent.destroy();
    process.kill(controlPlanePid!, 'SIGKILL');
    await waitFor(async () => (await mesh.supervisor()).controlPlanePid !== controlPlanePid, {
      timeoutMs: 40_000,
      what: 'a new control plane',
    });
    await mesh.synced();
    await mesh.apply(hello('back'));
    expect((await http(echo)).headers['x-hello']).toBe('back');
    await mesh.delete('vs/echo');
  });
});

describe('OP-02 a resource that a proxy can not take', () => {
  it('OP-02 it is refused with the reason in the status, and the rest of the push stands', async () => {
    await mesh.apply(hello('before'));
    // Valid as configuration, but no proxy on this machine can bind that address (RFC 5737).
    await mesh.weft(['apply', '-f', '-'], { input: POISON });
    const status = await waitFor(async () => {
      const { stdout } = await mesh.weft(['status']);
      return stdout.includes('refused LDS') ? stdout : undefined;
    });
    expect(status).toMatch(/client\.default refused LDS: .*192\.0\.2\.1/);
    // The rest of that push stands, and later ones arrive.
    expect((await http(echo)).headers['x-hello']).toBe('before');
    await mesh.weft(['apply', '-f', '-'], { input: hello('after') });
    await waitFor(async () => (await http(echo)).headers['x-hello'] === 'after', { what: 'a later change to arrive' });
    await mesh.delete('sidecar/poison');
    expect((await mesh.weft(['status'])).stdout).not.toContain('refused');
    await mesh.delete('vs/echo');
  });
});
