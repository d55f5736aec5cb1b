/** OB-04: what the proxies write of requests, filtered by Telemetry, in files that somebody turns over. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '@weft/testkit';
import { http } from '../harness/http.ts';
import { startMesh, type TestMesh } from '../harness/mesh.ts';
import { startEcho } from '../harness/programs.ts';

let mesh: TestMesh;
let echo: string;

beforeAll(async () => {
  mesh = await startMesh({ args: ['--access-log', 'json'] });
  await startEcho(mesh, { service: 'echo', version: 'v1' });
  await startEcho(mesh, { service: 'client', version: 'v1', name: 'client' });
  echo = await mesh.outbound('client', 'echo', 8000);
});
afterAll(() => mesh?.[Symbol.asyncDispose]());
afterEach(async () => {
  await mesh.delete('telemetry/log');
  await mesh.delete('vs/echo');
});

interface Line {
  readonly [key: string]: unknown;
}

/** What a proxy logs from now on, of requests whose path has this in it. */
function logOf(workload: string, part: string): () => Line[] {
  const path = join(mesh.state, 'logs', `${workload}.default.proxy.log`);
  const start = statSync(path).size;
  return () =>
    readFileSync(path)
      .subarray(start)
      .toString('utf8')
      .split('\n')
      .filter(
        (line) =>
          line.startsWith('{"authority"') || line.startsWith('{"start_time"') || line.includes('"response_flags"'),
      )
      .map((line) => JSON.parse(line) as Line)
      .filter(({ path: target }) => String(target).includes(part));
}

const telemetry = (spec: string): string => `
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: log }
spec:
  accessLogging:
${spec.trim().replaceAll(/^/gm, '    ')}
`;
const fault = (status: number): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: echo }
spec:
  hosts: [echo]
  http: [{ fault: { abort: { httpStatus: ${status}, percentage: { value: 100 } } }, route: [{ destination: { host: echo } }] }]
`;

const FORMAT = JSON.stringify({
  path: '%REQ(:PATH)%',
  response_flags: '%RESPONSE_FLAGS%',
  connection: '%CONNECTION_ID%',
  sent: { body: '%BYTES_RECEIVED%', head: '%UPSTREAM_HEADER_BYTES_SENT%', wire: '%UPSTREAM_WIRE_BYTES_SENT%' },
  tried: '%UPSTREAM_HOSTS_ATTEMPTED%',
  tls: {
    version: '%COALESCE({"operators": ["UPSTREAM_TLS_VERSION", "DOWNSTREAM_TLS_VERSION"]})%',
    server: '%UPSTREAM_PEER_URI_SAN%',
    client: '%DOWNSTREAM_PEER_URI_SAN%',
  },
  service: '%CLUSTER_METADATA(istio:services)%',
});

describe('OB-04 access logs', () => {
  it('OB-04 a line per request, in JSON with types, on both sides', async () => {
    const [client, server] = [logOf('client', '/typed'), logOf('echo-v1', '/typed')];
    const answer = await http(`${echo}/typed?q=%22`, {
      method: 'POST',
      body: 'four',
      headers: { 'user-agent': 'a "b" \\ c' },
    });
    expect(answer.status).toBe(200);
    const [line] = await waitFor(() => (client().length === 1 ? client() : undefined), { what: 'the client’s line' });
    expect(line).toMatchObject({
      method: 'POST',
      path: '/typed?q=%22',
      protocol: 'HTTP/1.1',
      response_code: 200,
      response_flags: '-',
      response_code_details: 'via_upstream',
      bytes_received: 4,
      user_agent: 'a "b" \\ c',
      upstream_cluster: 'outbound|8000||echo.default.svc.cluster.local',
      upstream_transport_failure_reason: null,
      route_name: 'default',
    });
    expect(line).toMatchObject({ duration: expect.any(Number), upstream_service_time: expect.stringMatching(/^\d+$/) });
    const [other] = await waitFor(() => (server().length === 1 ? server() : undefined), { what: 'the server’s line' });
    expect(other).toMatchObject({ request_id: line?.['request_id'], upstream_cluster: 'inbound|8000||' });
  });

  it('OB-04 MeshConfig says by a format of its own what is written, at once and for as long as it stands', async () => {
    const settings = (format: string): string => `
apiVersion: weft.dev/v1
kind: MeshConfig
metadata: { name: mesh }
spec:
  accessLogFile: /dev/stdout
  accessLogEncoding: JSON
  accessLogFormat: '${format}'
`;
    const [client, server] = [logOf('client', '/own-format'), logOf('echo-v1', '/own-format')];
    await mesh.apply(settings(FORMAT));
    expect((await http(`${echo}/own-format?a=b`, { method: 'POST', body: 'four' })).status).toBe(200);
    const [mine] = await waitFor(() => (client().length === 1 ? client() : undefined), { what: 'the client’s line' });
    expect(mine).toMatchObject({
      path: '/own-format?a=b',
      response_flags: '-',
      connection: expect.any(Number),
      sent: { body: 4, head: expect.any(Number), wire: expect.any(Number) },
      tried: expect.stringMatching(/^[\d.]+:\d+$/),
      tls: { version: 'TLSv1.3', server: expect.stringMatching(/^spiffe:.*\/echo$/), client: null },
      service: [expect.objectContaining({ host: 'echo.default.svc.cluster.local' })],
    });
    const [other] = await waitFor(() => (server().length === 1 ? server() : undefined), { what: 'the server’s line' });
    expect(other).toMatchObject({ tls: { client: expect.stringMatching(/^spiffe:.*\/client$/), server: null } });
    // What can not be is refused, and the former stands.
    await expect(mesh.apply(settings('no JSON'))).rejects.toThrow('W0024');
    await http(`${echo}/own-format/again`);
    await waitFor(() => client().length === 2, { what: 'another line of the same form' });
    expect(client()[1]).toHaveProperty('tried');
    await mesh.delete('meshconfig/mesh');
    const usual = logOf('client', '/usual');
    await http(`${echo}/usual`);
    const [line] = await waitFor(() => (usual().length === 1 ? usual() : undefined), {
      what: 'a line of the usual form',
    });
    expect(line).toHaveProperty('x_forwarded_for');
  });

  it('OB-04 a filter in CEL decides what is written; the rest is not', async () => {
    await mesh.apply(telemetry(`- filter: { expression: 'response.code >= 400 || request.headers["x-log"] == "me"' }`));
    const lines = logOf('client', '/filtered');
    expect((await http(`${echo}/filtered/quiet`)).status).toBe(200);
    expect((await http(`${echo}/filtered/asked`, { headers: { 'x-log': 'me' } })).status).toBe(200);
    expect((await http(`${echo}/filtered/other`, { headers: { 'x-log': 'you' } })).status).toBe(200);
    expect((await http(`${echo}/filtered/own?status=404`)).status).toBe(404);
    await mesh.apply(fault(503));
    expect((await http(`${echo}/filtered/fault`)).status).toBe(503);
    await waitFor(() => lines().length === 3, { what: 'three lines' });
    expect(lines().map(({ path, response_flags: flags }) => [path, flags])).toEqual([
      ['/filtered/asked', '-'],
      ['/filtered/own?status=404', '-'],
      ['/filtered/fault', 'FI'],
    ]);
  });

  it('OB-04 one side can be off while the other writes', async () => {
    await mesh.apply(telemetry('- { match: { mode: CLIENT }, disabled: true }'));
    const [client, server] = [logOf('client', '/one-side'), logOf('echo-v1', '/one-side')];
    expect((await http(`${echo}/one-side`)).status).toBe(200);
    await waitFor(() => server().length === 1, { what: 'the server’s line' });
    await mesh.delete('telemetry/log');
    expect((await http(`${echo}/one-side/again`)).status).toBe(200);
    await waitFor(() => client().length === 1, { what: 'the client’s line' });
    expect(client()[0]).toMatchObject({ path: '/one-side/again' });
  });

  it('OB-04 a filter that can not be read filters nothing, and everything goes on', async () => {
    await mesh.apply(telemetry(`- filter: { expression: 'response.code >=' }`));
    const lines = logOf('client', '/unreadable');
    expect((await http(`${echo}/unreadable`)).status).toBe(200);
    await waitFor(() => lines().length === 1, { what: 'the line' });
  });
});
