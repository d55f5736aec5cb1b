import * as grpc from '@grpc/grpc-js';
import { tempDir, waitFor } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import type { DeltaRequest, IncomingDelta } from '../protocol/messages.ts';
import type { ServerResponse } from '../protocol/server-stream.ts';
import { DELTA_METHOD } from '../testing/delta-method.ts';
import { createGrpcAdsTransport } from './ads-transport-grpc.ts';
import { createGrpcServer } from './grpc-server.ts';

/** Answers each request with its type. */
async function startPlainServer(address: string) {
  const server = createGrpcServer({ address, credentials: grpc.ServerCredentials.createInsecure() });
  server.addService(
    { delta: DELTA_METHOD },
    {
      delta: (stream: grpc.ServerDuplexStream<DeltaRequest, ServerResponse>) => {
        stream.on('error', () => {});
        stream.on('data', ({ typeUrl }: DeltaRequest) =>
          stream.write({ typeUrl, version: '1', nonce: 'n', resources: [], removed: [] }),
        );
      },
    },
  );
  return { port: await server.listen(), close: () => server.close(0) };
}

describe('discovery without TLS', () => {
  it.each(['127.0.0.1:0', 'unix:'])('over %s', async (kind) => {
    const dir = await tempDir();
    const path = `unix:${dir.path}/xds`;
    const server = await startPlainServer(kind === 'unix:' ? path : kind);
    const address = kind === 'unix:' ? path : `127.0.0.1:${server.port}`;
    const responses: IncomingDelta[] = [];
    const stream = createGrpcAdsTransport(() => ({ address, plaintext: true })).open({
      onResponse: (response) => responses.push(response),
      onEnd: () => {},
    });
    stream.send({ typeUrl: 't', subscribe: ['*'], unsubscribe: [], initialVersions: new Map(), nonce: '' });
    await waitFor(() => responses.length === 1);
    stream.close();
    await server.close();
    await dir.remove();
    expect(responses[0]).toMatchObject({ typeUrl: 't', nonce: 'n' });
  });
});
