/** HTTP/2 at the doors of the mesh, judged by h2spec, and what is none. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { tempDir } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { edgeTo } from '../harness/edge.ts';
import { findH2Spec, judge } from '../harness/h2spec.ts';
import { http, many } from '../harness/http.ts';
import { startMesh, type TestMesh } from '../harness/mesh.ts';
import { startEcho } from '../harness/programs.ts';
import { raw } from '../harness/raw.ts';

const run = promisify(execFile);
const built = await tempDir('h2spec');
const h2spec = findH2Spec(built.path);
if (h2spec.path === undefined) console.warn(`skipped: h2spec (${h2spec.reason})`);

const TESTS_OF_H2SPEC = 145;
/** These ports speak HTTP/1.1 as well: what does not begin as HTTP/2 gets a 400 in that, which h2spec does not read. */
const ANSWERED_IN_HTTP1 = ['Sends invalid connection preface'];

let mesh: TestMesh;
let door: string;

beforeAll(async () => {
  mesh = await startMesh();
  await startEcho(mesh, { service: 'caller', version: 'v1' });
  await startEcho(mesh, { service: 'echo', version: 'v1' });
  await mesh.apply(edgeTo('echo'));
  door = await mesh.outbound('caller-v1', 'echo', 8000);
});
afterAll(async () => {
  await mesh?.[Symbol.asyncDispose]();
  await built[Symbol.asyncDispose]();
});

describe.skipIf(h2spec.path === undefined)('TR-11 HTTP/2 to the letter', () => {
  it.each(['gateway', 'sidecar'])('TR-11 h2spec finds nothing to complain of at the %s', async (where) => {
    const verdict = await judge(h2spec.path ?? '', where === 'gateway' ? mesh.gateway : door);
    expect(verdict.failures, verdict.text).toEqual(ANSWERED_IN_HTTP1);
    expect([verdict.passed, verdict.skipped]).toEqual([TESTS_OF_H2SPEC - ANSWERED_IN_HTTP1.length, 0]);
  });
});

describe('TR-11 what is no HTTP/2', () => {
  it('TR-11 a client that speaks neither is told so', async () => {
    const { stdout } = await run('sh', ['-c', `printf 'PRI * HTTP/2.0\\r\\n\\r\\nXX\\r\\n\\r\\n' | timeout 5 bash -c 'exec 3<>/dev/tcp/${new URL(door).hostname}/${new URL(door).port}; cat >&3; cat <&3'`]); // prettier-ignore
    expect(stdout).toMatch(/^HTTP\/1\.1 (400|505) /);
  });

  it('TR-11 what begins as HTTP/2 and is none ends with GOAWAY, and is no request', async () => {
    for (const one of [mesh.gateway, door]) {
      const got = await raw(one, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n');
      expect(got).not.toContain('HTTP/1.1');
      expect(got).not.toContain('smuggled');
      // A frame of type GOAWAY, somewhere behind the first one.
      expect(got).toMatch(/\0\0[\s\S]\x07\0\0\0\0\0/);
    }
  });
});

it('TR-12 requests over HTTP/1.1 share one connection between two sidecars, unless their rule counts connections', async () => {
  const { adminAddress } = await mesh.workload('caller-v1');
  const connections = async (): Promise<number> => {
    const page = await (await fetch(`http://${adminAddress}/clusters`)).text();
    const totals = [...page.matchAll(/^outbound\|8000\|\|echo\.[^:]+::[^:]+:\d+::cx_total::(\d+)$/gm)];
    return totals.reduce((sum, [, count]) => sum + Number(count), 0);
  };
  const ask = async (): Promise<void> => {
    const answers = await many(60, () => http(`${door}/shared`, { headers: { host: 'echo' } }), 20);
    for (const { status } of answers) expect(status).toBe(200);
  };
  await ask();
  const carried = await connections();
  await ask();
  expect([carried > 0, await connections()]).toEqual([true, carried]);
  await mesh.apply(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: echo }
spec:
  host: echo
  trafficPolicy: { connectionPool: { tcp: { maxConnections: 50 } } }
`);
  await ask();
  expect(await connections()).toBeGreaterThan(carried + 5);
});
