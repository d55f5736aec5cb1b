/** What is open stays open: connections that outlive hundreds of configurations. */
import { rmSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2, type ClientHttp2Stream } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { http } from '../harness/http.ts';
import { startMesh, type TestMesh } from '../harness/mesh.ts';
import { programPath, startEcho } from '../harness/programs.ts';

let mesh: TestMesh;

beforeAll(async () => {
  mesh = await startMesh();
  await startEcho(mesh, { service: 'caller', version: 'v1' });
  await startEcho(mesh, { service: 'other', version: 'v1' });
  const program = (service: string, name: string, ...more: string[]): Promise<unknown> =>
    mesh.run([`--service=${service}`, '--version=v1', `--name=${service}-v1`, ...more, '--', process.execPath, programPath(name)]); // prettier-ignore
  await program('wire', 'wire.mjs', '--port=8000', '--health-path=/health');
  await program('calls', 'grpc.mjs', '--port=9000', '--protocol=grpc');
});
afterAll(() => mesh?.[Symbol.asyncDispose]());

const CHANGES = 500;

/** Another configuration each time: of the same services' routes and policies, of others', of services that come and go. */
const change = (i: number): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: wire }
spec:
  hosts: [wire]
  http:
    - match: [{ uri: { prefix: /other } }]
      headers: { request: { set: { x-change: "${i}" } } }
      timeout: ${(i % 9) + 1}s
      route: [{ destination: { host: wire } }]
    - route: [{ destination: { host: wire } }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: other }
spec:
  host: other
  trafficPolicy: { loadBalancer: { simple: ${i % 2 === 0 ? 'ROUND_ROBIN' : 'RANDOM'} }, connectionPool: { tcp: { maxConnections: ${i + 10} } } }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: far }
spec:
  hosts: [far-${i % 7}.example]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: 127.0.0.9 }]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: wire }
spec:
  selector: { matchLabels: { app: wire } }
  action: DENY
  rules: [{ to: [{ operation: { paths: ["/never-${i}"] } }] }]
`;

/** A connection that is asked something again and again. */
interface Open {
  readonly what: string;
  /** @returns whether the answer to this number came, in order. */
  beat(i: number): Promise<boolean>;
  readonly ended: () => string;
  end(): void;
}

async function websocket(url: string, what: string): Promise<Open> {
  const { hostname, port } = new URL(url);
  const socket: Socket = connect({ host: hostname, port: Number(port) });
  let text = '';
  let ended = '';
  socket.on('data', (data) => (text += data.toString('latin1')));
  socket.on('error', (error) => (ended = error.message));
  socket.on('close', () => (ended ||= 'closed'));
  socket.write('GET /ws HTTP/1.1\r\nHost: wire\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  await waitFor(() => text.endsWith('welcome'), { timeoutMs: 10_000, what });
  return {
    what,
    beat(i) {
      socket.write(`m${i};`);
      return answered(() => text.endsWith(`<m${i};>`));
    },
    ended: () => ended,
    end: () => socket.destroy(),
  };
}

function grpcStream(url: string): Open {
  const session = connectHttp2(url);
  const stream: ClientHttp2Stream = session.request({
    ':method': 'POST',
    ':path': '/weft.test.Echo/Bidi',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  let text = '';
  let ended = '';
  stream.on('data', (data: Buffer) => (text += data.toString('latin1')));
  stream.on('error', (error) => (ended = error.message));
  stream.on('close', () => (ended ||= 'closed'));
  session.on('error', (error) => (ended = error.message));
  session.on('goaway', () => (ended ||= 'GOAWAY'));
  return {
    what: 'a gRPC stream',
    beat(i) {
      const message = Buffer.from(JSON.stringify({ text: `m${i}` }));
      stream.write(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]));
      return answered(() => text.includes(`"<m${i}>"`));
    },
    ended: () => ended,
    end: () => session.destroy(),
  };
}

async function answered(condition: () => boolean): Promise<boolean> {
  try {
    await waitFor(condition, { timeoutMs: 10_000, everyMs: 2 });
    return true;
  } catch {
    return false;
  }
}

describe('TR-16 open connections', () => {
  it(`TR-16 WebSockets and streams survive ${CHANGES} changes of the configuration around them`, async () => {
    const wire = await mesh.outbound('caller-v1', 'wire', 8000);
    const open = [
      await websocket(wire, 'a WebSocket'),
      await websocket(wire, 'another WebSocket'),
      grpcStream(await mesh.outbound('caller-v1', 'calls', 9000)),
    ];
    const file = join(mesh.state, 'config', 'changes.yaml');
    const seen = new Set<string>();
    for (let i = 0; i < CHANGES; i += 1) {
      writeFileSync(file, change(i));
      await sleep(30);
      if (i % 10 === 9) {
        for (const one of open) expect([one.what, i, await one.beat(i), one.ended()]).toEqual([one.what, i, true, '']);
        const { body } = await http(`${wire}/other`);
        seen.add(/x-change: (\d+)/.exec(body)?.[1] ?? '');
      }
    }
    // The changes did arrive, many of them, and the last one.
    await waitFor(async () => (await http(`${wire}/other`)).body.includes(`x-change: ${CHANGES - 1}\r\n`), {
      timeoutMs: 20_000,
      what: 'the last change',
    });
    expect(seen.size).toBeGreaterThan(10);
    for (const one of open) {
      expect([one.what, await one.beat(CHANGES), one.ended()]).toEqual([one.what, true, '']);
      one.end();
    }
    rmSync(file);
  });

  it('TR-16 new ones follow the new configuration', async () => {
    const wire = await mesh.outbound('caller-v1', 'wire', 8000);
    await mesh.apply(`
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: wire }
spec:
  selector: { matchLabels: { app: wire } }
  action: DENY
  rules: [{ to: [{ operation: { paths: ["/ws"] } }] }]
`);
    await expect(websocket(wire, 'refused')).rejects.toThrow('refused');
    await mesh.delete('authorizationpolicy/wire');
    (await websocket(wire, 'allowed')).end();
  });
});
