import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { GrpcWebSchema } from '@weft/contracts/lean/envoy/extensions/filters/http/grpc_web/v3/grpc_web';
import { HttpProtocolOptionsSchema } from '@weft/contracts/lean/envoy/extensions/upstreams/http/v3/http_protocol_options';
import { describe, expect, it } from 'vitest';
import { startProxy, type TestProxy } from '../../../test-support/harness.ts';
import {
  httpChain,
  listener,
  pack,
  resourceSet,
  routes,
  staticCluster,
  toCluster,
} from '../../../test-support/resources.ts';

interface Backend extends AsyncDisposable {
  readonly port: number;
  readonly seen: { headers: IncomingHttpHeaders; body: Buffer }[];
}

async function backend(answer: (stream: ServerHttp2Stream, body: Buffer) => void): Promise<Backend> {
  const seen: Backend['seen'] = [];
  const server = createServer();
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      const body = Buffer.concat(chunks);
      seen.push({ headers, body });
      answer(stream, body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Echoes in two messages, with trailers. */
const echo = (stream: ServerHttp2Stream, body: Buffer): void => {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'X-End': 'yes' }));
  stream.write(body);
  setTimeout(() => stream.end(body), 20);
};

const through = (port: number): Promise<TestProxy> =>
  startProxy(
    resourceSet({
      listeners: [
        listener('in', [
          httpChain(routes(toCluster('a')), {
            httpFilters: [
              { name: 'envoy.filters.http.grpc_web', configType: { case: 'typedConfig', value: pack(GrpcWebSchema, {}) } },
            ],
          }),
        ]),
      ],
      clusters: [
        staticCluster('a', [port], {
          typedExtensionProtocolOptions: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': pack(HttpProtocolOptionsSchema, {
              upstreamProtocolOptions: {
                case: 'explicitHttpConfig',
                value: { protocolConfig: { case: 'http2ProtocolOptions', value: {} } },
              },
            }),
          },
        }),
      ],
    }),
  ); // prettier-ignore

const frame = (flag: number, text: string): Buffer => {
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(text.length, 1);
  return Buffer.concat([head, Buffer.from(text, 'latin1')]);
};
const MESSAGE = frame(0, 'hello \0\xff');
const TRAILERS = frame(0x80, 'grpc-status: 0\r\nx-end: yes\r\n');

const call = (proxy: TestProxy, type: string, body: Buffer | string, headers: Record<string, string> = {}) =>
  fetch(`http://127.0.0.1:${proxy.portOf('in')}/s/M`, {
    method: 'POST',
    headers: { 'content-type': type, ...headers },
    body: typeof body === 'string' ? body : new Uint8Array(body),
  });
const decoded = (text: string): Buffer =>
  Buffer.concat((text.match(/[A-Za-z0-9+/]+={0,2}/g) ?? []).map((part) => Buffer.from(part, 'base64')));

describe('gRPC-Web', () => {
  it('binary: is gRPC to the application, and trailers are the last frame', async () => {
    await using app = await backend(echo);
    await using proxy = await through(app.port);
    const answer = await call(proxy, 'application/grpc-web+proto', MESSAGE, { 'x-grpc-web': '1' });
    expect(answer.headers.get('content-type')).toBe('application/grpc-web+proto');
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(Buffer.concat([MESSAGE, MESSAGE, TRAILERS]));
    expect(app.seen[0]?.body).toEqual(MESSAGE);
    expect(app.seen[0]?.headers).toMatchObject({ 'content-type': 'application/grpc+proto', te: 'trailers' });
    expect(app.seen[0]?.headers).not.toHaveProperty('content-length');
    expect(proxy.records[0]?.grpcStatus).toBe(0);
  });

  it('text: base64 both ways', async () => {
    await using app = await backend(echo);
    await using proxy = await through(app.port);
    const text = frame(0, 'he').toString('base64') + MESSAGE.toString('base64');
    const answer = await call(proxy, 'application/grpc-web-text', text, { accept: 'application/grpc-web-text' });
    expect(answer.headers.get('content-type')).toBe('application/grpc-web-text');
    const sent = Buffer.concat([frame(0, 'he'), MESSAGE]);
    expect(decoded(await answer.text())).toEqual(Buffer.concat([sent, sent, TRAILERS]));
    expect(app.seen[0]?.body).toEqual(sent);
  });

  it('text that is none is refused, and the application sees no whole request', async () => {
    await using app = await backend(echo);
    await using proxy = await through(app.port);
    const answer = await call(proxy, 'application/grpc-web-text', '!!!!');
    expect(answer.headers.get('grpc-status')).toBe('13');
    expect(answer.headers.get('content-type')).toBe('application/grpc-web-text');
    expect(app.seen).toHaveLength(0);
  });

  it('an error without messages stays in the head', async () => {
    await using app = await backend((stream) =>
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5' }, { endStream: true }),
    );
    await using proxy = await through(app.port);
    const answer = await call(proxy, 'application/grpc-web', MESSAGE);
    expect([answer.headers.get('grpc-status'), await answer.text()]).toEqual(['5', '']);
  });

  it('leaves gRPC itself, and everything else, alone', async () => {
    await using app = await backend((stream, body) => {
      stream.respond({ ':status': 200, 'content-type': 'text/plain' });
      stream.end(body);
    });
    await using proxy = await through(app.port);
    expect(await (await call(proxy, 'text/plain', 'AAAA')).text()).toBe('AAAA');
    expect(app.seen[0]?.headers['content-type']).toBe('text/plain');
    // Not translated either: an answer that is no gRPC.
    const answer = await call(proxy, 'application/grpc-web', MESSAGE);
    expect(answer.headers.get('content-type')).toBe('text/plain');
  });
});
