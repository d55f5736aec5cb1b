/** gRPC by its own client and server, between them two sidecars and mutual TLS. */
import { connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import { status as GRPC } from '@grpc/grpc-js';
import { waitFor } from '@weft/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { edgeRoutes, routeTo } from '../harness/edge.ts';
import { grpcClient, type GrpcClient } from '../harness/grpc.ts';
import { http } from '../harness/http.ts';
import { startMesh, type TestMesh } from '../harness/mesh.ts';
import { counterSum, scrape } from '../harness/metrics.ts';
import { programPath, startEcho } from '../harness/programs.ts';

let mesh: TestMesh;
let door: string;
let client: GrpcClient;

beforeAll(async () => {
  mesh = await startMesh();
  await startEcho(mesh, { service: 'caller', version: 'v1' });
  for (const version of ['v1', 'v2'])
    await mesh.run(
      [
        '--service=calls',
        `--version=${version}`,
        `--name=calls-${version}`,
        '--port=9000',
        '--protocol=grpc',
        '--',
        process.execPath,
        programPath('grpc.mjs'),
      ],
      { env: { VERSION: version } },
    );
  await mesh.run(
    ['--service=web', '--version=v1', '--name=web-v1', '--port=9100', '--protocol=grpc-web', '--', process.execPath, programPath('grpc.mjs')], // prettier-ignore
  );
  door = await mesh.outbound('caller-v1', 'calls', 9000);
  client = grpcClient(door);
  await mesh.apply(RULE);
});
afterAll(async () => {
  client?.[Symbol.dispose]();
  await mesh?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await mesh.delete('virtualservice/calls');
  await mesh.delete('authorizationpolicy/calls');
});

const RULE = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: calls }
spec:
  host: calls
  subsets:
    - { name: v1, labels: { version: v1 } }
    - { name: v2, labels: { version: v2 } }
`;
const routes = (http: string): Promise<void> =>
  mesh.apply(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: calls }
spec:
  hosts: [calls]
  http:
${http}
`);
const noRoutes = (): Promise<void> => mesh.delete('virtualservice/calls');

describe('TR-11 gRPC', () => {
  it('TR-11 gRPC unary: message, metadata of both ends, status', async () => {
    const got = await client.unary({ text: 'hello' }, { metadata: { 'x-mine': '1' } });
    expect(got).toMatchObject({ code: GRPC.OK, answers: [{ text: 'hello', metadata: { 'x-mine': '1' } }] });
    expect(got.initial.get('x-begin')).toEqual(['yes']);
    expect(got.trailing.get('x-end')).toEqual(['yes']);
    expect(got.trailing.get('x-data-bin')).toEqual([Buffer.from([0, 255, 10, 13])]);
  });

  it('TR-11 gRPC: an error of the application arrives as it was said, and only once', async () => {
    const got = await client.unary({ status: GRPC.FAILED_PRECONDITION, key: 'once' });
    expect(got).toMatchObject({ code: GRPC.FAILED_PRECONDITION, details: 'asked for 9 – ✓', answers: [] });
    expect((await client.unary({ status: GRPC.OK, key: 'once' })).answers[0]?.attempt).toBe(1);
  });

  it('TR-11 gRPC server stream: a thousand messages in order, and an error behind some', async () => {
    const got = await client.serverStream({ text: 'x'.repeat(500), count: 1_000 });
    expect(got.code).toBe(GRPC.OK);
    expect(got.answers.map(({ i }) => i)).toEqual(Array.from({ length: 1_000 }, (_, i) => i));
    expect(got.trailing.get('x-end')).toEqual(['yes']);
    const failed = await client.serverStream({ count: 3, status: GRPC.DATA_LOSS, key: 'stream' });
    expect([failed.code, failed.answers.length]).toEqual([GRPC.DATA_LOSS, 3]);
  });

  it('TR-11 gRPC client stream', async () => {
    const texts = Array.from({ length: 1_000 }, (_, i) => `${i}`);
    const got = await client.clientStream(texts.map((text) => ({ text })));
    expect(got).toMatchObject({ code: GRPC.OK, answers: [{ texts }] });
  });

  it('TR-11 gRPC both ways at once: each message is there before the next is sent', async () => {
    const texts = Array.from({ length: 200 }, (_, i) => `${i}`);
    const got = await client.pingPong(texts.map((text) => ({ text })));
    expect(got.code).toBe(GRPC.OK);
    expect(got.answers.map(({ text }) => text)).toEqual(texts.map((text) => `<${text}>`));
  });

  it('TR-11 gRPC: messages larger than windows, many calls on one connection', async () => {
    const text = 'y'.repeat(1_500_000);
    const all = await Promise.all(Array.from({ length: 8 }, () => client.unary({ text })));
    expect(all.every(({ code, answers }) => code === 0 && answers[0]?.text === text)).toBe(true);
  });

  it('TR-11 gRPC through the gateway', async () => {
    await mesh.apply(`
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 8080, name: grpc, protocol: GRPC }, hosts: ["*"] }]
---${edgeRoutes(routeTo('calls', 9000, '/weft.test.Echo/'))}`);
    using outside = grpcClient(mesh.gateway);
    expect(await outside.unary({ text: 'in' })).toMatchObject({ code: GRPC.OK, answers: [{ text: 'in' }] });
    expect((await outside.pingPong([{ text: 'a' }, { text: 'b' }])).answers.map(({ text }) => text)).toEqual([
      '<a>',
      '<b>',
    ]);
    expect((await outside.serverStream({ count: 100 })).answers).toHaveLength(100);
  });

  it('TR-11 gRPC: routes by service, method and metadata', async () => {
    await routes(`
    - match: [{ uri: { exact: /weft.test.Echo/ServerStream } }]
      route: [{ destination: { host: calls, subset: v2 } }]
    - match: [{ uri: { prefix: /weft.test.Echo/ }, headers: { x-version: { exact: v2 } } }]
      route: [{ destination: { host: calls, subset: v2 } }]
    - match: [{ uri: { prefix: /weft.test.Echo/ } }]
      route: [{ destination: { host: calls, subset: v1 } }]`);
    for (let i = 0; i < 6; i += 1) {
      expect((await client.unary({})).answers[0]?.version).toBe('v1');
      expect((await client.unary({}, { metadata: { 'x-version': 'v2' } })).answers[0]?.version).toBe('v2');
      expect((await client.serverStream({})).answers[0]?.version).toBe('v2');
    }
  });

  it('TR-11 gRPC: what the mesh answers itself is a status', async () => {
    await routes(`
    - match: [{ uri: { exact: /weft.test.Echo/Unary } }]
      route: [{ destination: { host: calls, subset: v3 } }]`);
    expect(await client.unary({})).toMatchObject({ code: GRPC.UNAVAILABLE });
    expect(await client.serverStream({})).toMatchObject({ code: GRPC.UNIMPLEMENTED });
    await noRoutes();
    await mesh.apply(`
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: calls }
spec:
  selector: { matchLabels: { app: calls } }
  action: DENY
  rules: [{ to: [{ operation: { paths: ["/weft.test.Echo/Unary"] } }] }]
`);
    expect(await client.unary({})).toMatchObject({ code: GRPC.PERMISSION_DENIED, details: 'RBAC: access denied' });
    expect(await client.serverStream({})).toMatchObject({ code: GRPC.OK });
  });

  it('TR-11 gRPC: a caller’s deadline is kept by the sidecar, up to the route’s own', async () => {
    const ask = (timeout: string, delayMs: number): Promise<IncomingHttpHeaders> =>
      new Promise((resolve, reject) => {
        const session = connectHttp2(door);
        const stream = session.request({
          ':method': 'POST',
          ':path': '/weft.test.Echo/Unary',
          'content-type': 'application/grpc',
          te: 'trailers',
          'grpc-timeout': timeout,
        });
        const message = Buffer.from(JSON.stringify({ delayMs }));
        stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]));
        let head: IncomingHttpHeaders = {};
        stream.on('response', (got) => (head = { ...head, ...got }));
        stream.on('trailers', (got: IncomingHttpHeaders) => (head = { ...head, ...got }));
        stream.on('error', reject);
        stream.on('close', () => {
          session.close();
          resolve(head);
        });
        stream.resume();
      });
    expect(await ask('200m', 15_000)).toMatchObject({ ':status': 200, 'grpc-status': '4', 'x-weft-reason': 'max-stream-duration' }); // prettier-ignore
    expect(await ask('5S', 1)).toMatchObject({ 'grpc-status': '0' });
    // What is no deadline is for the application to judge.
    expect(await ask('nonsense', 1)).not.toHaveProperty('x-weft-reason');
    await routes(`
    - timeout: 0.3s
      route: [{ destination: { host: calls } }]`);
    expect(await ask('20S', 15_000)).toMatchObject({ 'grpc-status': expect.stringMatching(/^(4|14)$/) });
  });
});

describe('TR-11 gRPC-Web', () => {
  const frames = (bytes: Buffer): readonly { readonly flag: number; readonly text: string }[] => {
    const found = [];
    for (let at = 0; at + 5 <= bytes.length; at += 5 + bytes.readUInt32BE(at + 1))
      found.push({ flag: bytes[at] ?? 0, text: bytes.toString('latin1', at + 5, at + 5 + bytes.readUInt32BE(at + 1)) });
    return found;
  };
  const decode = (text: string): Buffer =>
    Buffer.concat((text.match(/[A-Za-z0-9+/]+={0,2}/g) ?? []).map((part) => Buffer.from(part, 'base64')));
  const call = async (method: string, request: object, type: string) => {
    const text = type.includes('-text');
    const json = JSON.stringify(request);
    const message = Buffer.concat([Buffer.from([0, 0, 0, 0, json.length]), Buffer.from(json)]);
    const answer = await fetch(`${await mesh.outbound('caller-v1', 'web', 9100)}/weft.test.Echo/${method}`, {
      method: 'POST',
      headers: { 'content-type': type, accept: type, 'x-grpc-web': '1' },
      body: text ? message.toString('base64') : message,
    });
    const body = Buffer.from(await answer.arrayBuffer());
    return { headers: answer.headers, frames: frames(text ? decode(body.toString('latin1')) : body) };
  };

  it.each(['application/grpc-web+proto', 'application/grpc-web-text+proto'])('TR-11 gRPC-Web as %s', async (type) => {
    const one = await call('Unary', { text: 'from a browser' }, type);
    expect(one.headers.get('content-type')).toBe(type);
    expect(one.frames.map(({ flag }) => flag)).toEqual([0, 0x80]);
    expect(one.frames[0]?.text).toContain('from a browser');
    expect(one.frames[1]?.text).toMatch(/^(?=[^]*grpc-status: 0\r\n)[^]*x-end: yes\r\n/);
    const many = await call('ServerStream', { count: 50 }, type);
    expect(many.frames.map(({ flag }) => flag)).toEqual([...Array.from({ length: 50 }, () => 0), 0x80]);
    const failed = await call('Unary', { status: GRPC.NOT_FOUND, key: `web ${type}` }, type);
    const status =
      failed.headers.get('grpc-status') ?? /grpc-status: (\d+)/.exec(failed.frames.at(-1)?.text ?? '')?.[1];
    expect(status).toBe('5');
  });
});

describe('RE-02 gRPC retries', () => {
  it.each([
    ['unavailable', GRPC.UNAVAILABLE],
    ['cancelled', GRPC.CANCELLED],
    ['deadline-exceeded', GRPC.DEADLINE_EXCEEDED],
    ['internal', GRPC.INTERNAL],
    ['resource-exhausted', GRPC.RESOURCE_EXHAUSTED],
  ])('RE-02 retryOn %s', async (condition, status) => {
    await routes(`
    - match: [{ headers: { x-plain: { exact: "yes" } } }]
      retries: { attempts: 0 }
      route: [{ destination: { host: calls, subset: v1 } }]
    - retries: { attempts: 2, retryOn: ${condition} }
      route: [{ destination: { host: calls, subset: v1 } }]`);
    const got = await client.unary({ text: 'again', status, failures: 2, key: `retry ${condition}` });
    expect(got).toMatchObject({ code: GRPC.OK, answers: [{ text: 'again', attempt: 3 }] });
    // Too many failures, other statuses, and routes without retries: as the application said.
    expect(await client.unary({ status, failures: 9, key: `fail ${condition}` })).toMatchObject({ code: status });
    expect(await client.unary({ status: GRPC.ABORTED, failures: 1, key: `other ${condition}` })).toMatchObject({ code: GRPC.ABORTED }); // prettier-ignore
    const plain = { metadata: { 'x-plain': 'yes' } };
    expect(await client.unary({ status, failures: 1, key: `plain ${condition}` }, plain)).toMatchObject({ code: status }); // prettier-ignore
  });
});

describe('RE-04 gRPC faults', () => {
  it('RE-04 abort by grpcStatus, and only for those it names', async () => {
    await routes(`
    - match: [{ headers: { x-chaos: { exact: "yes" } } }]
      fault: { abort: { grpcStatus: RESOURCE_EXHAUSTED, percentage: { value: 100 } } }
      route: [{ destination: { host: calls } }]
    - route: [{ destination: { host: calls } }]`);
    expect(await client.unary({}, { metadata: { 'x-chaos': 'yes' } })).toMatchObject({ code: GRPC.RESOURCE_EXHAUSTED, details: 'fault filter abort' }); // prettier-ignore
    expect(await client.pingPong([{ text: 'a' }], { metadata: { 'x-chaos': 'yes' } })).toMatchObject({ code: GRPC.RESOURCE_EXHAUSTED }); // prettier-ignore
    expect(await client.unary({})).toMatchObject({ code: GRPC.OK });
  });
});

describe('OB-01 gRPC metrics', () => {
  it('OB-01 istio_requests_total tells the protocol and how calls ended', async () => {
    const counts = async (): Promise<readonly number[]> => {
      const page = await scrape((await mesh.workload('caller-v1')).adminAddress);
      const ofStatus = (status: number): RegExp =>
        new RegExp(`^istio_requests_total\\{.*destination_service_name="calls".*request_protocol="grpc".*grpc_response_status="${status}"`); // prettier-ignore
      return [GRPC.OK, GRPC.NOT_FOUND].map((status) => counterSum(page, ofStatus(status)));
    };
    const [ok = 0, notFound = 0] = await counts();
    for (let i = 0; i < 3; i += 1) await client.unary({ text: 'counted' });
    await client.unary({ status: GRPC.NOT_FOUND, key: 'metrics' });
    const told = await waitFor(
      async () => {
        const now = await counts();
        return (now[1] ?? 0) > notFound ? now : undefined;
      },
      { timeoutMs: 10_000, what: 'the call that failed, which was the last' },
    );
    expect(told).toEqual([ok + 3, notFound + 1]);
  });

  it('OB-01 istio_request_messages_total and istio_response_messages_total count messages of calls, at both ends', async () => {
    const count = async (): Promise<readonly number[]> => {
      const pages = await Promise.all(
        ['caller-v1', 'calls-v1', 'calls-v2'].map(async (name) => scrape((await mesh.workload(name)).adminAddress)),
      );
      const ends = [pages.slice(0, 1), pages.slice(1)];
      return ends.flatMap((some) =>
        ['request', 'response'].map((way) =>
          some.reduce((sum, page) => sum + counterSum(page, new RegExp(`^istio_${way}_messages_total\\{.*destination_service_name="calls"`)), 0),
        ),
      ); // prettier-ignore
    };
    const before = await count();
    expect(await client.unary({ text: 'x'.repeat(100_000) })).toMatchObject({ code: GRPC.OK });
    expect(await client.pingPong([{ text: 'a' }, { text: 'b' }, { text: 'c' }])).toMatchObject({ code: GRPC.OK });
    const after = await waitFor(
      async () => {
        const now = await count();
        return now.every((value, i) => value >= (before[i] ?? 0) + 4) ? now : undefined;
      },
      { timeoutMs: 15_000, what: 'four messages each way, at both ends' },
    );
    expect(after.map((value, i) => value - (before[i] ?? 0))).toEqual([4, 4, 4, 4]);
    // What is no gRPC has no messages.
    await http(`${await mesh.outbound('caller-v1', 'caller', 8000)}/plain`);
    expect(await scrape((await mesh.workload('caller-v1')).adminAddress)).not.toMatch(
      /^istio_request_messages_total\{.*request_protocol="http"/m,
    );
  });
});
