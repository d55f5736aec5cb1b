/** An ADS server on loopback with mutual TLS, a source whose content can be changed, and clients for it. For tests. */
import * as grpc from '@grpc/grpc-js';
import { controlPlaneId, spiffeId } from '@weft/contracts';
import { seededRandom, silentLogger, systemClock } from '@weft/kit';
import { createTestAuthority, type TestAuthority, type TestSecret } from '@weft/testkit';
import { createAdsClient } from '../client/ads-client.ts';
import type { AdsClient, AdsClientOptions, ReceivedResource } from '../client/ads-client-types.ts';
import type { XdsNode } from '../resource.ts';
import type { AdsLimits, AdsServer } from '../server/ads-server-types.ts';
import type { ResourceView } from '../server/xds-source.ts';
import { createGrpcAdsTransport } from '../transport/ads-transport-grpc.ts';
import type { GrpcServer } from '../transport/grpc-server.ts';
import type { RotatingCredentials } from '../transport/server-credentials.ts';
import { serveView, type ChangeableSource } from './serve-view.ts';

export const accountId = (namespace: string, serviceAccount: string): string =>
  spiffeId({ trustDomain: 'cluster.local', namespace, serviceAccount });

export interface TestMesh extends AsyncDisposable {
  readonly authority: TestAuthority;
  readonly source: ChangeableSource;
  readonly ads: AdsServer;
  readonly server: GrpcServer;
  readonly credentials: RotatingCredentials;
  readonly address: string;
  defer(close: () => void): void;
}

export async function startTestMesh(view: ResourceView, limits: Partial<AdsLimits> = {}, port = 0): Promise<TestMesh> {
  const authority = createTestAuthority();
  const served = await serveView(authority.issue(controlPlaneId()), view, { port, limits });
  const closers: (() => void)[] = [];
  return {
    authority,
    ...served,
    address: `127.0.0.1:${served.port}`,
    defer: (close) => void closers.push(close),
    async [Symbol.asyncDispose]() {
      for (const close of closers) close();
      await served.close(200);
    },
  };
}

export const nodeOf = (namespace: string, serviceAccount: string): Pick<XdsNode, 'id' | 'metadata'> => ({
  id: `sidecar~127.0.0.1~${serviceAccount}.${namespace}~${namespace}.svc.cluster.local`,
  metadata: { NAMESPACE: namespace, SERVICE_ACCOUNT: serviceAccount },
});

export interface TestClient {
  readonly client: AdsClient;
  /** What was accepted: type URL → name → text of the bytes. */
  readonly held: Map<string, Map<string, string>>;
  readonly updates: { typeUrl: string; added: readonly ReceivedResource[]; removed: readonly string[] }[];
}

/** A client that takes everything but resources whose bytes say `poison`. */
export function connectClient(
  mesh: TestMesh,
  secret: TestSecret,
  options: Partial<AdsClientOptions> & { readonly serverId?: string; readonly rootsPem?: string } = {},
): TestClient {
  const held: TestClient['held'] = new Map();
  const updates: TestClient['updates'] = [];
  const client = createAdsClient({
    transport: createGrpcAdsTransport(() => ({
      address: mesh.address,
      rootsPem: options.rootsPem ?? mesh.authority.rootsPem,
      serverId: options.serverId ?? controlPlaneId(),
      own: secret,
    })),
    node: nodeOf('default', 'reviews'),
    clock: systemClock,
    random: seededRandom(1),
    logger: silentLogger,
    backoff: { baseMs: 20, maxMs: 100 },
    handlers: {
      onUpdate(typeUrl, added, removed) {
        updates.push({ typeUrl, added, removed });
        const names = held.get(typeUrl) ?? new Map<string, string>();
        held.set(typeUrl, names);
        for (const name of removed) names.delete(name);
        const rejected = added.filter(({ bytes }) => Buffer.from(bytes).toString() === 'poison');
        for (const one of added) if (!rejected.includes(one)) names.set(one.name, Buffer.from(one.bytes).toString());
        return rejected.map(({ name }) => ({ name, reason: 'field x is poison' }));
      },
    },
    ...options,
  });
  mesh.defer(() => client.close());
  client.start();
  return { client, held, updates };
}

/** A bare call, for what our own client never does. Resolves with the status that ends it. */
export function rawStream(
  mesh: TestMesh,
  secret: Partial<TestSecret>,
): { readonly call: grpc.ClientDuplexStream<Buffer, Buffer>; readonly ended: Promise<grpc.StatusObject> } {
  const roots = Buffer.from(mesh.authority.rootsPem);
  const { privateKeyPem, certChainPem } = secret;
  const credentials = grpc.credentials.createSsl(
    roots,
    privateKeyPem === undefined ? null : Buffer.from(privateKeyPem),
    certChainPem === undefined ? null : Buffer.from(certChainPem),
    { checkServerIdentity: () => undefined },
  );
  const client = new grpc.Client(mesh.address, credentials, { 'grpc.use_local_subchannel_pool': 1 });
  const path = '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources';
  const same = (bytes: Buffer): Buffer => bytes;
  const call = client.makeBidiStreamRequest(path, same, same);
  mesh.defer(() => client.close());
  call.on('error', () => {});
  return { call, ended: new Promise((resolve) => call.on('status', resolve)) };
}
