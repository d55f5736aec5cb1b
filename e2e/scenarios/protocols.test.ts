/** Programs that people use, each by its own protocol, through the gateway and through two sidecars. */
import { spawn, spawnSync } from 'node:child_process';
import { connect as connectHttp2 } from 'node:http2';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { edgeTo } from '../harness/edge.ts';
import { startMesh, type TestMesh } from '../harness/mesh.ts';
import { startEcho } from '../harness/programs.ts';
import { raw } from '../harness/raw.ts';

let mesh: TestMesh;
let door: string;

beforeAll(async () => {
  mesh = await startMesh();
  await startEcho(mesh, { service: 'caller', version: 'v1' });
  await startEcho(mesh, { service: 'echo', version: 'v1' });
  await mesh.apply(edgeTo('echo'));
  door = await mesh.outbound('caller-v1', 'echo', 8000);
});
afterAll(() => mesh?.[Symbol.asyncDispose]());

const doors = (): readonly string[] => [mesh.gateway, door];
const has = (program: string): boolean => spawnSync('which', [program]).status === 0;

async function output(program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  await once(child, 'close');
  return text;
}

describe('TR-11 clients', () => {
  it.each([
    ['--http1.0', '1.0|1.1'],
    ['--http1.1', '1.1'],
    // Asks for an upgrade to h2c, which nobody takes up (RFC 9113 §3.1).
    ['--http2', '1.1'],
    ['--http2-prior-knowledge', '2'],
  ])('TR-11 curl %s', async (flag, versions) => {
    for (const one of doors()) {
      const got = await output('curl', ['-sS', '-m', '20', flag, '-d', 'a body', '-w', '\n%{http_version} %{http_code}', `${one}/curl?${flag}`]); // prettier-ignore
      expect(got).toMatch(new RegExp(`\\n(${versions}) 200$`));
      expect(got).toContain('"body":"a body"');
      expect(got).toContain(`"url":"/curl?${flag}"`);
    }
  });

  it('TR-11 node:http2, many streams on one connection, each with its own answer', async () => {
    for (const one of doors()) {
      const session = connectHttp2(one);
      const answers = await Promise.all(
        Array.from(
          { length: 100 },
          (_, i) =>
            new Promise<string>((resolve, reject) => {
              const stream = session.request({ ':method': 'POST', ':path': `/${i}` });
              let text = '';
              stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
              stream.on('end', () => resolve((JSON.parse(text) as { body: string }).body));
              stream.on('error', reject);
              stream.end(`body ${i}`);
            }),
        ),
      );
      expect(answers).toEqual(Array.from({ length: 100 }, (_, i) => `body ${i}`));
      session.close();
    }
  });

  it('TR-11 fetch of Node', async () => {
    for (const one of doors()) {
      const answer = await fetch(`${one}/fetch`, { method: 'POST', body: 'x'.repeat(100_000) });
      expect(answer.status).toBe(200);
      expect(((await answer.json()) as { body: string }).body).toHaveLength(100_000);
    }
  });

  it.runIf(has('python3'))('TR-11 http.client of Python', async () => {
    const script = (url: URL): string =>
      `import http.client\nc = http.client.HTTPConnection('${url.hostname}', ${url.port})\nfor i in range(3):\n c.request('PUT', '/py', body=iter([b'one', b'two']))\n r = c.getresponse()\n print(r.status, b'onetwo' in r.read())\n`;
    for (const one of doors())
      expect(await output('python3', ['-c', script(new URL(one))])).toBe('200 True\n200 True\n200 True\n');
  });

  it.runIf(has('nghttp'))('TR-11 nghttp', async () => {
    for (const one of doors()) {
      const got = await output('nghttp', ['-nv', '-t', '20', '-m', '5', `${one}/nghttp`]);
      expect(got.match(/:status: 200/g)).toHaveLength(5);
    }
  });

  it.runIf(has('h2load'))('TR-11 h2load, all of a thousand requests answered', async () => {
    for (const one of doors()) {
      for (const args of [
        ['-n', '1000', '-c', '4', '-m', '20'],
        ['-n', '300', '-c', '4', '--h1'],
      ]) {
        const got = await output('h2load', [...args, `${one}/load`]);
        const total = args[1] ?? '';
        expect(got).toContain(`${total} total, ${total} started, ${total} done, ${total} succeeded, 0 failed, 0 errored, 0 timeout`); // prettier-ignore
      }
    }
  });

  it('TR-11 what begins as HTTP/2 and is none ends with GOAWAY, and is no request', async () => {
    for (const one of doors()) {
      const got = await raw(one, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n');
      expect(got).not.toContain('HTTP/1.1');
      expect(got).not.toContain('smuggled');
      // A frame of type GOAWAY, somewhere behind the first one.
      expect(got).toMatch(/\0\0[\s\S]\x07\0\0\0\0\0/);
    }
  });
});
