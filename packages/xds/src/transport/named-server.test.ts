import * as grpc from '@grpc/grpc-js';
import { createTestAuthority, waitFor } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import type { DeltaRequest, IncomingDelta } from '../protocol/messages.ts';
import type { ServerResponse } from '../protocol/server-stream.ts';
import { DELTA_METHOD } from '../testing/delta-method.ts';
import { createGrpcAdsTransport } from './ads-transport-grpc.ts';
import type { SecureTarget } from './channel.ts';
import { createGrpcServer } from './grpc-server.ts';

const authority = createTestAuthority();

/** Shows a certificate with a DNS name, and answers with the token of the caller as the nonce. */
async function startServer() {
  const { certChainPem, privateKeyPem } = authority.issue('istiod.test');
  const credentials = grpc.ServerCredentials.createSsl(Buffer.from(authority.rootsPem), [
    { cert_chain: Buffer.from(certChainPem), private_key: Buffer.from(privateKeyPem) },
  ]);
  const server = createGrpcServer({ address: '127.0.0.1:0', credentials });
  server.addService(
    { delta: DELTA_METHOD },
    {
      delta: (stream: grpc.ServerDuplexStream<DeltaRequest, ServerResponse>) => {
        stream.on('error', () => {});
        const nonce = String(stream.metadata.get('authorization')[0] ?? 'nobody');
        stream.on('data', ({ typeUrl }: DeltaRequest) =>
          stream.write({ typeUrl, version: '1', nonce, resources: [], removed: [] }),
        );
      },
    },
  );
  return { address: `127.0.0.1:${await server.listen()}`, close: () => server.close(0) };
}

/** @returns the nonce of the first answer, or why there is none. */
async function ask(target: SecureTarget): Promise<string> {
  let outcome = '';
  const stream = createGrpcAdsTransport(() => target).open({
    onResponse: ({ nonce }: IncomingDelta) => (outcome = nonce),
    onEnd: (reason) => (outcome = reason),
  });
  stream.send({ typeUrl: 't', subscribe: ['*'], unsubscribe: [], initialVersions: new Map(), nonce: '' });
  await waitFor(() => outcome !== '');
  stream.close();
  return outcome;
}

describe('a control plane that is known by a DNS name', () => {
  it('is spoken to when its certificate has the name, and gets a token', async () => {
    const { address, close } = await startServer();
    const target: SecureTarget = { address, rootsPem: authority.rootsPem, serverId: 'istiod.test' };
    expect(await ask({ ...target, token: 'a.b.c' })).toBe('Bearer a.b.c');
    expect(await ask(target)).toBe('nobody');
    await close();
  });

  it.each([
    ['another name', { serverId: 'pilot.test' }, /is not pilot\.test: its certificate has DNS:istiod\.test/],
    ['a SPIFFE id', { serverId: 'spiffe://cluster.local/ns/a/sa/b' }, /the server has no identity/],
    ['other roots', { rootsPem: createTestAuthority().rootsPem }, /certificate|signature/],
  ])('is not spoken to when it should have %s', async (_, change, reason) => {
    const { address, close } = await startServer();
    const target: SecureTarget = { address, rootsPem: authority.rootsPem, serverId: 'istiod.test', token: 'a.b.c' };
    expect(await ask({ ...target, ...change })).toMatch(reason);
    await close();
  });
});
