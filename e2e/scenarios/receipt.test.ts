/** `weft apply` ends when the change is in effect, and says where it is not. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConfigReceipt } from '@weft/contracts/console-views';
import { http } from '../harness/http.ts';
import { startMesh, type TestMesh } from '../harness/mesh.ts';
import { startEcho } from '../harness/programs.ts';

const hello = (header: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: echo }
spec:
  hosts: [echo]
  http: [{ headers: { response: { set: { x-hello: "${header}" } } }, route: [{ destination: { host: echo } }] }]
`;

// Valid as configuration, but no proxy on this machine can bind that address (RFC 5737).
const POISON = `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: poison }
spec:
  workloadSelector: { labels: { app: client } }
  egress: [{ hosts: ["./*"] }]
  ingress:
    - port: { number: 9999, protocol: HTTP, name: http }
      bind: 192.0.2.1
      captureMode: NONE
      defaultEndpoint: 127.0.0.1:1
`;

describe('NW-05 the receipt of a change', () => {
  let mesh: TestMesh;
  let echo: string;
  beforeAll(async () => {
    mesh = await startMesh();
    await startEcho(mesh, { service: 'echo', version: 'v1' });
    await startEcho(mesh, { service: 'client', version: 'v1', name: 'client' });
    await mesh.synced();
    echo = await mesh.outbound('client', 'echo', 8000);
  });
  afterAll(() => mesh?.[Symbol.asyncDispose]());

  const apply = (yaml: string, ...flags: string[]) => mesh.weft(['apply', '-f', '-', ...flags], { input: yaml });

  it('NW-05 the first request after apply and after delete sees the change', async () => {
    for (let round = 0; round < 10; round += 1) {
      expect(await apply(hello(`round-${round}`))).toMatchObject({ code: 0, stderr: '' });
      expect((await http(echo)).headers['x-hello']).toBe(`round-${round}`);
    }
    expect(await mesh.weft(['delete', 'vs/echo'])).toMatchObject({ code: 0 });
    expect((await http(echo)).headers['x-hello']).toBeUndefined();
  });

  it('NW-05 --wait 0 asks for no receipt; a wait that is no duration is a usage error', async () => {
    const { code, stdout } = await apply(hello('at once'), '--wait', '0', '-o', 'json');
    expect([code, JSON.parse(stdout)]).toEqual([0, expect.not.objectContaining({ receipt: expect.anything() })]);
    expect(await apply(hello('x'), '--wait', 'soon')).toMatchObject({ code: 64 });
    expect(await mesh.weft(['delete', 'vs/echo', '--wait', '0'])).toMatchObject({ code: 0 });
  });

  it('NW-05 a proxy that refuses is named with its reason and changes the exit code; later changes are not blamed for it', async () => {
    const refused = await apply(POISON, '-o', 'json');
    expect(refused.code).toBe(79);
    expect(refused.stderr).toMatch(/client\.default refused LDS .*192\.0\.2\.1/);
    const { receipt } = JSON.parse(refused.stdout) as { receipt: ConfigReceipt };
    expect(receipt).toMatchObject({ complete: false, waiting: [], refused: [{ name: 'client', type: 'LDS' }] });
    expect(await apply(hello('beside it'))).toMatchObject({ code: 0, stderr: '' });
    expect(await apply(POISON)).toMatchObject({ code: 79 });
    expect(await mesh.weft(['delete', 'sidecar/poison'])).toMatchObject({ code: 0 });
  });

  it('NW-05 a proxy that does not answer is named when the wait is over, and no longer than it hangs', async () => {
    const proxy = (await mesh.workload('client')).processes!.proxy!;
    process.kill(proxy, 'SIGSTOP');
    try {
      const late = await apply(hello('late'), '--wait', '500ms');
      expect(late.code).toBe(75);
      expect(late.stderr).toMatch(/client\.default has not answered within 0\.5 s \(RDS\)/);
      expect(late.stderr).not.toContain('echo-v1');
    } finally {
      process.kill(proxy, 'SIGCONT');
    }
    // Nothing changes by it: it asks whether all have what is there.
    expect(await apply(hello('late'), '--wait', '60s')).toMatchObject({ code: 0, stderr: '' });
    expect((await http(echo)).headers['x-hello']).toBe('late');
  });

  it('NW-05 what concerns no proxy is done at once', async () => {
    const rule = `
apiVersion: config.istio.io/v1alpha2
kind: logentry
metadata: { name: nobody, namespace: istio-system }
spec: { severity: '"info"' }
`;
    const { code, stdout } = await apply(rule, '-o', 'json');
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { receipt: { complete: true, acknowledged: 0 } }]);
  });
});

it('NW-05 a mesh without any proxy takes changes', async () => {
  await using mesh = await startMesh({ args: ['--no-gateway'] });
  const { code, stdout } = await mesh.weft(['apply', '-f', '-', '-o', 'json'], { input: hello('nobody') });
  expect([code, JSON.parse(stdout)]).toMatchObject([0, { receipt: { complete: true, acknowledged: 0 } }]);
});
