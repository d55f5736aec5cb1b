import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import { spiffeId, XDS_TYPE } from '@weft/contracts';
import { SecretSchema, type Secret } from '@weft/contracts/full/envoy/extensions/transport_sockets/tls/v3/secret';
import {
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
  type DiscoveryResponse,
} from '@weft/contracts/full/envoy/service/discovery/v3/discovery';
import { silentLogger } from '@weft/kit';
import { tempDir, waitFor } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { createSecretHub, type AgentSecrets } from '../keeper/secrets.ts';
import { createSecretServer } from './secret-server.ts';

const ID = spiffeId({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'reviews' });
const secretsOf = (serial: string, roots = 'root-1'): AgentSecrets => ({
  default: { certChainPem: `chain-${serial}`, privateKeyPem: `key-${serial}`, spiffeId: ID, expiresAt: 0 },
  rootCaPem: roots,
});

async function served(first?: AgentSecrets) {
  const dir = await tempDir();
  const hub = createSecretHub(silentLogger);
  if (first) hub.replace(first);
  const socketPath = join(dir.path, 'sds.sock');
  const origin = { secrets: () => hub.current(), subscribe: hub.subscribe };
  const server = await createSecretServer({ socketPath, spiffeId: ID, origin, logger: silentLogger });
  return {
    hub,
    server,
    socketPath,
    async [Symbol.asyncDispose]() {
      await server.close();
      await dir.remove();
    },
  };
}

/** Asks as Envoy does: one stream for each secret. */
function ask(socketPath: string, method = 'StreamSecrets') {
  const client = new grpc.Client(`unix:${socketPath}`, grpc.credentials.createInsecure());
  const call = client.makeBidiStreamRequest(
    `/envoy.service.secret.v3.SecretDiscoveryService/${method}`,
    (bytes: Buffer) => bytes,
    (bytes: Buffer) => fromBinary(DiscoveryResponseSchema, bytes),
  );
  const responses: DiscoveryResponse[] = [];
  const status = new Promise<grpc.StatusObject>((resolve) => call.on('status', resolve));
  call.on('error', () => {});
  call.on('data', (response: DiscoveryResponse) => responses.push(response));
  const send = (resourceNames: string[], answer?: DiscoveryResponse, message?: string): void => {
    const request = create(DiscoveryRequestSchema, {
      node: { id: 'sidecar~1.2.3.4~a.default~x' },
      typeUrl: XDS_TYPE.secret,
      resourceNames,
      ...(answer && { responseNonce: answer.nonce, versionInfo: answer.versionInfo }),
      ...(message !== undefined && { errorDetail: { code: 13, message } }),
    });
    call.write(Buffer.from(toBinary(DiscoveryRequestSchema, request)));
  };
  return { responses, send, status, [Symbol.dispose]: () => client.close() };
}

const secrets = (response: DiscoveryResponse | undefined): Secret[] =>
  (response?.resources ?? []).map(({ value }) => fromBinary(SecretSchema, value));

describe('secret discovery on a Unix socket', () => {
  it('serves certificate with key, and roots, under the names of Istio', async () => {
    await using it = await served(secretsOf('1'));
    using own = ask(it.socketPath);
    own.send(['default']);
    await waitFor(() => own.responses.length === 1);
    expect(secrets(own.responses[0])).toMatchObject([
      {
        name: 'default',
        type: {
          case: 'tlsCertificate',
          value: {
            certificateChain: { specifier: { case: 'inlineBytes', value: Buffer.from('chain-1') } },
            privateKey: { specifier: { case: 'inlineBytes', value: Buffer.from('key-1') } },
          },
        },
      },
    ]);
    using roots = ask(it.socketPath);
    roots.send(['ROOTCA']);
    await waitFor(() => roots.responses.length === 1);
    expect(secrets(roots.responses[0])).toMatchObject([{ name: 'ROOTCA', type: { case: 'validationContext' } }]);
    expect(it.server.streams()).toBe(2);
  });

  it('only its owner may open the socket, and nothing else is left in the folder', async () => {
    await using it = await served();
    expect((await stat(it.socketPath)).mode & 0o777).toBe(0o600);
    expect((await stat(it.socketPath)).isSocket()).toBe(true);
  });

  it('a renewed certificate is pushed, unchanged roots are not; an ACK and a NACK get no answer', async () => {
    await using it = await served(secretsOf('1'));
    using own = ask(it.socketPath);
    using roots = ask(it.socketPath);
    own.send(['default']);
    roots.send(['ROOTCA']);
    await waitFor(() => own.responses.length === 1 && roots.responses.length === 1);
    own.send(['default'], own.responses[0]);
    roots.send(['ROOTCA'], roots.responses[0], 'no');
    it.hub.replace(secretsOf('2'));
    await waitFor(() => own.responses.length === 2);
    expect(JSON.stringify(own.responses[1]?.versionInfo)).not.toBe(JSON.stringify(own.responses[0]?.versionInfo));
    own.send(['default'], own.responses[1]);
    it.hub.replace(secretsOf('2', 'root-2'));
    await waitFor(() => roots.responses.length === 2);
    expect(own.responses).toHaveLength(2);
  });

  it('waits with the answer until there is a certificate; never an empty secret', async () => {
    await using it = await served();
    using own = ask(it.socketPath);
    own.send(['default', 'unknown']);
    await waitFor(() => it.server.streams() === 1);
    expect(own.responses).toEqual([]);
    it.hub.replace(secretsOf('1'));
    await waitFor(() => own.responses.length === 1);
    expect(secrets(own.responses[0]).map(({ name }) => name)).toEqual(['default']);
  });

  it.each(['DeltaSecrets', 'FetchSecrets'])('%s is not implemented', async (method) => {
    await using it = await served(secretsOf('1'));
    using call = ask(it.socketPath, method);
    call.send(['default']);
    expect(await call.status).toMatchObject({ code: grpc.status.UNIMPLEMENTED });
  });

  it('replaces what an earlier run left, and removes its socket at the end', async () => {
    await using dir = await tempDir();
    const socketPath = join(dir.path, 'sds.sock');
    await writeFile(socketPath, 'left over');
    const hub = createSecretHub(silentLogger);
    const origin = { secrets: () => hub.current(), subscribe: hub.subscribe };
    const server = await createSecretServer({ socketPath, spiffeId: ID, origin, logger: silentLogger });
    expect((await stat(socketPath)).isSocket()).toBe(true);
    await server.close();
    await expect(stat(socketPath)).rejects.toThrow(/ENOENT/);
  });

  it('says when the path is too long for the system', async () => {
    await using dir = await tempDir();
    const hub = createSecretHub(silentLogger);
    const origin = { secrets: () => hub.current(), subscribe: hub.subscribe };
    const { mkdir, readdir } = await import('node:fs/promises');
    const deep = join(dir.path, 'x'.repeat(100));
    await mkdir(deep);
    const options = { socketPath: join(deep, 's'), spiffeId: ID, origin, logger: silentLogger };
    await expect(createSecretServer(options)).rejects.toThrow(/too long/);
    expect(await readdir(deep)).toEqual([]);
  });
});
