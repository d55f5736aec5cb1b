/**
 * Programs that people use, each by the protocols that it speaks, at every door of the mesh: the gateway, a sidecar that
 * takes calls of its own workload, and the mesh port of another, which wants a certificate.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { join } from 'node:path';
import { credentials, type ChannelCredentials } from '@grpc/grpc-js';
import { tempDir } from '@weft/testkit';
import { Pool } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { EDGE, edgeRoutes, routeTo } from '../harness/edge.ts';
import { grpcClient } from '../harness/grpc.ts';
import { certificate, joinMesh, signingRequest, type Credentials, type Joined } from '../harness/intruder.ts';
import { startMesh, type TestMesh } from '../harness/mesh.ts';
import { programPath, startEcho } from '../harness/programs.ts';

const DOORS = ['gateway', 'sidecar', 'mesh port'] as const;
type Door = (typeof DOORS)[number];
const MB = 1024 * 1024;

/** The gateway knows them by their path. A mesh port that permits plaintext would pass other people's TLS on. */
const CONFIG = `${EDGE}---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default }
spec: { mtls: { mode: STRICT } }
---${edgeRoutes(routeTo('calls', 9000, '/weft.test.Echo/'), routeTo('chat', 8080, '/chat'), routeTo('echo', 8000))}`;

let mesh: TestMesh;
let joined: Joined;
let mine: Credentials;
const files = await tempDir('clients');
const file = (name: string): string => join(files.path, name);
/** Where each service is to be had. */
const urls = new Map<string, string>();
const urlOf = (door: Door, service: 'echo' | 'calls' | 'chat'): URL => new URL(urls.get(`${door} ${service}`) ?? '');
/** The mesh names workloads, and not hosts; the chain is checked as ever. */
const tls = () => ({ ca: joined.rootsPem, ...mine, checkServerIdentity: () => undefined });
const isTls = (door: Door): boolean => door === 'mesh port';

beforeAll(async () => {
  mesh = await startMesh();
  await startEcho(mesh, { service: 'caller', version: 'v1' });
  await startEcho(mesh, { service: 'echo', version: 'v1' });
  const program = (name: string): string[] => ['--', process.execPath, programPath(name)];
  await mesh.run(['--service=calls', '--port=9000', '--protocol=grpc', ...program('grpc.mjs')]);
  await mesh.run(['--service=chat', '--port=8080', ...program('chat.mjs')]);
  await mesh.apply(CONFIG);
  for (const [service, port] of [['echo', 8000], ['calls', 9000], ['chat', 8080]] as const) {
    urls.set(`gateway ${service}`, mesh.gateway);
    urls.set(`sidecar ${service}`, await mesh.outbound('caller-v1', service, port));
    const { address, ports } = await mesh.workload(`${service}-v1`);
    urls.set(`mesh port ${service}`, `https://${address}:${ports[0]?.meshPort}`);
  } // prettier-ignore
  joined = await joinMesh(mesh.state, 'guest');
  const { key, csr } = signingRequest(['spiffe://cluster.local/ns/default/sa/guest']);
  const { chain } = await certificate({
    port: mesh.ports.ca,
    rootsPem: joined.rootsPem,
    token: await joined.token(),
    csr,
  });
  mine = { key, cert: chain.slice(0, -1).join('') };
  writeFileSync(file('key.pem'), mine.key, { mode: 0o600 });
  writeFileSync(file('cert.pem'), mine.cert);
  writeFileSync(file('roots.pem'), joined.rootsPem);
});
afterAll(async () => {
  joined?.[Symbol.dispose]();
  await mesh?.[Symbol.asyncDispose]();
  await files[Symbol.asyncDispose]();
});

async function output(program: string, args: readonly string[], input = ''): Promise<string> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  child.stdin.on('error', () => {});
  child.stdin.write(input);
  await once(child, 'close');
  return text;
}

/** A case at each door; where the program is missing, it says so instead. */
function atDoors(title: string, doors: readonly Door[], run: (door: Door) => Promise<void>, program?: string): void {
  const missing = program !== undefined && spawnSync('which', [program]).status !== 0;
  if (missing) console.warn(`skipped: ${title} (${program} is not on PATH)`);
  it.for(doors)(`TR-11 ${title}, at the %s`, async (door, { skip }) => {
    if (missing) skip(`${program} is not on PATH`);
    await run(door);
  });
}

describe('TR-11 clients', () => {
  const curl = (versions: readonly (readonly [flag: string, version: string])[]) => async (door: Door) => {
    const secure = isTls(door)
      ? ['-k', '--cacert', file('roots.pem'), '--key', file('key.pem'), '--cert', file('cert.pem')]
      : [];
    for (const [flag, version] of versions) {
      const url = new URL(`/curl?${flag}`, urlOf(door, 'echo')).href;
      const got = await output('curl', ['-sS', '-m', '20', ...secure, flag, '-d', 'a body', '-w', '\n%{http_version} %{http_code}', url]); // prettier-ignore
      expect(got).toMatch(new RegExp(`\\n(${version}) 200$`));
      expect(got).toContain('"body":"a body"');
      expect(got).toContain(`"url":"/curl?${flag}"`);
    }
  };
  atDoors(
    'curl by HTTP/1.0, HTTP/1.1, an upgrade that nobody takes up (RFC 9113 §3.1), and HTTP/2',
    ['gateway', 'sidecar'],
    curl([
      ['--http1.0', '1.0|1.1'],
      ['--http1.1', '1.1'],
      ['--http2', '1.1'],
      ['--http2-prior-knowledge', '2'],
    ]),
    'curl',
  );
  atDoors(
    'curl with a certificate by HTTP/1.1 and, by ALPN, HTTP/2',
    ['mesh port'],
    curl([
      ['--http1.1', '1.1'],
      ['--http2', '2'],
    ]),
    'curl',
  );

  atDoors('undici, pipelined, with bodies both ways', DOORS, async (door) => {
    const pool = new Pool(urlOf(door, 'echo').origin, {
      connections: 2,
      pipelining: 5,
      ...(isTls(door) ? { connect: tls() } : {}),
    });
    const answers = await Promise.all(
      Array.from({ length: 50 }, async (_, i) => {
        const { statusCode, body } = await pool.request({ method: 'PUT', path: `/${i}`, body: `${i}`.repeat(3_000) });
        const { url, body: said } = (await body.json()) as { url: string; body: string };
        return [statusCode, url, said === `${i}`.repeat(3_000)];
      }),
    );
    await pool.close();
    expect(answers).toEqual(Array.from({ length: 50 }, (_, i) => [200, `/${i}`, true]));
  });

  atDoors('undici by HTTP/2', ['mesh port'], async (door) => {
    const pool = new Pool(urlOf(door, 'echo').origin, { allowH2: true, connections: 1, connect: tls() });
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const { statusCode, body } = await pool.request({ method: 'GET', path: `/?size=${i * 10_000}` });
        return [statusCode, (await body.text()).length];
      }),
    );
    await pool.close();
    expect(answers).toEqual(Array.from({ length: 20 }, (_, i) => [200, i * 10_000]));
  });

  atDoors('fetch of Node', ['gateway', 'sidecar'], async (door) => {
    const answer = await fetch(new URL('/fetch', urlOf(door, 'echo')), { method: 'POST', body: 'x'.repeat(100_000) });
    expect(answer.status).toBe(200);
    expect(((await answer.json()) as { body: string }).body).toHaveLength(100_000);
  });

  atDoors('node:http2, many streams on one connection, each with its own answer', DOORS, async (door) => {
    const session = connectHttp2(urlOf(door, 'echo'), isTls(door) ? tls() : {});
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
    session.close();
    expect(answers).toEqual(Array.from({ length: 100 }, (_, i) => `body ${i}`));
  });

  atDoors('grpc-js: unary, and a stream each way', DOORS, async (door) => {
    const { host } = urlOf(door, 'calls');
    const channel = (): ChannelCredentials =>
      credentials.createSsl(Buffer.from(joined.rootsPem), Buffer.from(mine.key), Buffer.from(mine.cert), {
        checkServerIdentity: () => undefined,
      });
    using client = grpcClient(`http://${host}`, isTls(door) ? channel() : undefined);
    const [unary, stream, both] = [
      await client.unary({ text: 'hello' }),
      await client.serverStream({ count: 100 }),
      await client.pingPong([{ text: 'a' }, { text: 'b' }]),
    ];
    expect([unary.code, unary.answers[0]?.text]).toEqual([0, 'hello']);
    expect([stream.code, stream.answers.length]).toEqual([0, 100]);
    expect([both.code, both.answers.map(({ text }) => text)]).toEqual([0, ['<a>', '<b>']]);
  });

  atDoors('ws: text, bytes, a megabyte, compression, pings, and its close code', DOORS, async (door) => {
    const url = new URL('/chat?room=1', urlOf(door, 'chat'));
    url.protocol = isTls(door) ? 'wss' : 'ws';
    const socket = new WebSocket(url, ['a', 'b'], {
      headers: { 'x-mine': 'yes' },
      perMessageDeflate: true,
      ...(isTls(door) ? tls() : {}),
    });
    const got: (string | number)[] = [];
    const answer = async (): Promise<void> => {
      const [data, isBinary] = (await once(socket, 'message')) as [Buffer, boolean];
      got.push(isBinary ? data.length : String(data));
    };
    await answer();
    expect([got, socket.protocol, socket.extensions]).toEqual([
      ['{"url":"/chat?room=1","mine":"yes"}'],
      'a',
      'permessage-deflate',
    ]);
    for (const message of ['hello', Buffer.alloc(MB, 7)]) {
      socket.send(message);
      await answer();
    }
    socket.ping('are you there');
    expect(String((await once(socket, 'pong'))[0])).toBe('are you there');
    expect(got.slice(1)).toEqual(['hello', MB]);
    socket.send('bye');
    const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
    expect([code, String(reason)]).toEqual([4001, 'as you like']);
  });

  const python = (door: Door): string => {
    const { hostname, port } = urlOf(door, 'echo');
    const context = isTls(door)
      ? [
          `t = ssl.create_default_context(cafile='${file('roots.pem')}')`,
          't.check_hostname = False',
          `t.load_cert_chain('${file('cert.pem')}', '${file('key.pem')}')`,
          `c = http.client.HTTPSConnection('${hostname}', ${port}, context=t)`,
        ]
      : [`c = http.client.HTTPConnection('${hostname}', ${port})`];
    return [
      'import http.client, ssl',
      ...context,
      'for i in range(3):',
      " c.request('PUT', '/py', body=iter([b'one', b'two']))",
      ' r = c.getresponse()',
      " print(r.status, b'onetwo' in r.read())",
    ].join('\n');
  };
  atDoors(
    'http.client of Python, chunked, on one connection',
    DOORS,
    async (door) => expect(await output('python3', ['-c', python(door)])).toBe('200 True\n200 True\n200 True\n'),
    'python3',
  );

  const nghttpKey = (): string[] => ['--key', file('key.pem'), '--cert', file('cert.pem'), '--no-verify-peer'];
  atDoors(
    'nghttp',
    DOORS,
    async (door) => {
      const url = new URL('/nghttp', urlOf(door, 'echo')).href;
      const got = await output('nghttp', ['-nv', '-t', '20', '-m', '5', ...(isTls(door) ? nghttpKey() : []), url]);
      expect(got.match(/:status: 200/g)).toHaveLength(5);
    },
    'nghttp',
  );

  atDoors(
    'h2load, all of a thousand requests answered',
    ['gateway', 'sidecar'],
    async (door) => {
      for (const args of [
        ['-n', '1000', '-c', '4', '-m', '20'],
        ['-n', '300', '-c', '4', '--h1'],
      ]) {
        const got = await output('h2load', [...args, new URL('/load', urlOf(door, 'echo')).href]);
        const total = args[1] ?? '';
        expect(got).toContain(`${total} total, ${total} started, ${total} done, ${total} succeeded, 0 failed, 0 errored, 0 timeout`); // prettier-ignore
      }
    },
    'h2load',
  );

  atDoors(
    'openssl s_client, what is typed by hand: TLS 1.2 and 1.3, with and without ALPN',
    ['mesh port'],
    async (door) => {
      const { host } = urlOf(door, 'echo');
      const request = 'GET /typed HTTP/1.1\r\nHost: echo\r\nConnection: close\r\n\r\n';
      for (const flags of [['-tls1_3'], ['-tls1_2'], ['-alpn', 'http/1.1'], ['-alpn', 'h2,http/1.1', '-tls1_3']]) {
        const isHttp2 = flags.includes('h2,http/1.1');
        const got = await output(
          'openssl',
          ['s_client', '-connect', host, '-key', file('key.pem'), '-cert', file('cert.pem'), '-cert_chain', file('cert.pem'), '-CAfile', file('roots.pem'), '-verify_return_error', '-ign_eof', ...flags], // prettier-ignore
          isHttp2 ? 'GET / HTTP/1.1\r\nHost: h\r\n\r\n' : request,
        );
        expect(got).toContain('Verify return code: 0 (ok)');
        if (isHttp2) expect(got).toContain('ALPN protocol: h2');
        else expect(got).toMatch(/HTTP\/1\.1 200 OK\r\n[^]*"url":"\/typed"/);
      }
      // Nobody is let in without a certificate of the mesh.
      const without = await output('openssl', ['s_client', '-connect', host, '-ign_eof', '-CAfile', file('roots.pem')], request); // prettier-ignore
      expect(without).not.toContain('HTTP/1.1 200');
    },
    'openssl',
  );
});
