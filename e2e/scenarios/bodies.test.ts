/** Bodies of many sizes at once, both ways at once, by clients and programs that rest: each arrives as it was sent. */
import { createHash, randomBytes } from 'node:crypto';
import { request as requestHttp1, Agent } from 'node:http';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EDGE, edgeRoutes, routeTo } from '../harness/edge.ts';
import { startMesh, type TestMesh } from '../harness/mesh.ts';
import { programPath, startEcho } from '../harness/programs.ts';

const SIZES = [0, 1, 100, 4_095, 16_384, 16_385, 65_535, 65_537, 300_000, 1_500_000];
const EXCHANGES = 60;
const AT_ONCE = 20;
const SERVICES = { http1: 'http', http2: 'http2' } as const;
type Protocol = keyof typeof SERVICES;

let mesh: TestMesh;
const doors = new Map<string, string>();

beforeAll(async () => {
  mesh = await startMesh();
  await startEcho(mesh, { service: 'caller', version: 'v1' });
  for (const [protocol, name] of Object.entries(SERVICES))
    await mesh.run([`--service=${protocol}`, '--port=8000', `--protocol=${name}`, '--', process.execPath, programPath('mirror.mjs')], { env: { PROTOCOL: protocol } }); // prettier-ignore
  await mesh.apply(
    `${EDGE}---${edgeRoutes(...Object.keys(SERVICES).map((service) => routeTo(service, 8000, `/${service}/`)))}`,
  );
  for (const service of Object.keys(SERVICES)) {
    doors.set(`gateway ${service}`, mesh.gateway);
    doors.set(`sidecar ${service}`, await mesh.outbound('caller-v1', service, 8000));
  }
});
afterAll(() => mesh?.[Symbol.asyncDispose]());

/** What came back: its status, length and hash. */
type Echo = readonly [status: number, bytes: number, sha256: string];

async function send(out: Writable, body: Buffer, seed: number): Promise<void> {
  const step = 1 + ((seed * 7919) % 70_000);
  for (let at = 0; at < body.length; at += step) {
    if (out.destroyed) return;
    if (!out.write(body.subarray(at, at + step))) await sleep(1 + (seed % 5));
  }
  out.end();
}

async function take(status: number, from: Readable, seed: number): Promise<Echo> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of from) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if ((bytes + seed) % 11 === 0) await sleep(seed % 15);
  }
  return [status, bytes, hash.digest('hex')];
}

function overHttp1(agent: Agent, url: URL, body: Buffer, seed: number): Promise<Echo> {
  return new Promise((resolve, reject) => {
    const length = seed % 2 === 0 ? { 'content-length': body.length } : {};
    const outgoing = requestHttp1(url, { method: 'POST', agent, headers: length });
    outgoing.on('error', reject);
    outgoing.on('response', (response) => void take(response.statusCode ?? 0, response, seed).then(resolve, reject));
    send(outgoing, body, seed).catch(reject);
  });
}

function overHttp2(session: ClientHttp2Session, url: URL, body: Buffer, seed: number): Promise<Echo> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':method': 'POST', ':path': url.pathname });
    stream.on('error', reject);
    stream.on('response', (head) => void take(Number(head[':status']), stream, seed).then(resolve, reject));
    send(stream, body, seed).catch(reject);
  });
}

const cases = ['gateway', 'sidecar'].flatMap((door) =>
  (['http1', 'http2'] as const).flatMap((client) =>
    (['http1', 'http2'] as const).map((program): [string, Protocol, Protocol] => [door, client, program]),
  ),
);

describe('TR-11 bodies', () => {
  it.each(cases)('TR-11 at the %s, %s to %s: all arrive whole and unmixed', async (door, client, program) => {
    const url = new URL(`/${program}/x`, doors.get(`${door} ${program}`));
    const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
    const session = client === 'http2' ? connectHttp2(url.origin) : undefined;
    const wrong: unknown[] = [];
    let next = 0;
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (next < EXCHANGES) {
          const seed = next;
          next += 1;
          const body = randomBytes(SIZES[seed % SIZES.length] ?? 0);
          const expected: Echo = [200, body.length, createHash('sha256').update(body).digest('hex')];
          const got = await (session ? overHttp2(session, url, body, seed) : overHttp1(agent, url, body, seed));
          if (String(got) !== String(expected)) wrong.push({ seed, got, expected });
        }
      }),
    );
    agent.destroy();
    session?.close();
    expect(wrong).toEqual([]);
  });
});
