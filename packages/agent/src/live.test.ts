/** The agent against the real authority: gRPC and TLS on loopback, certificates of a few seconds, the machine's clock. */
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import { createCitadel, createDirectoryStore, WORKLOAD_CLAIM, type Citadel } from '@weft/citadel';
import { readCertificate, readSvid } from '@weft/contracts';
import { silentLogger } from '@weft/kit';
import { tempDir, waitFor } from '@weft/testkit';
import { exportJWK, SignJWT } from 'jose';
import { afterEach, describe, expect, it } from 'vitest';
import { createAgent, type Agent, type AgentOptions } from './agent.ts';

const TTL_MS = 4_000;
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Authority {
  readonly citadel: Citadel;
  readonly tokenSource: (serviceAccount: string) => () => Promise<string>;
  /** Serves on these ports; 0 takes free ones. */
  serve(ports?: { token: number; peer: number }): Promise<{ token: number; peer: number; stop(): void }>;
}

async function startAuthority(): Promise<Authority> {
  const folder = await tempDir();
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const citadel = await createCitadel({
    store: createDirectoryStore(join(folder.path, 'ca')),
    tokenKeys: [await exportJWK(publicKey)],
    logger: silentLogger,
  });
  closers.push(() => folder.remove(), citadel.close);
  return {
    citadel,
    tokenSource: (serviceAccount) => () =>
      new SignJWT({ [WORKLOAD_CLAIM]: `${serviceAccount}-v1` })
        .setProtectedHeader({ alg: 'ES256' })
        .setIssuer('weft-supervisor')
        .setAudience('weft-ca')
        .setSubject(`system:serviceaccount:default:${serviceAccount}`)
        .setJti(randomUUID())
        .setIssuedAt()
        .setExpirationTime('1 minute')
        .sign(privateKey),
    async serve(ports = { token: 0, peer: 0 }) {
      const byToken = new grpc.Server();
      byToken.addService(citadel.service, citadel.tokenHandlers);
      const byPeer = new grpc.Server();
      byPeer.addService(citadel.service, citadel.peerHandlers);
      const stop = (): void => [byToken, byPeer].forEach((server) => server.forceShutdown());
      closers.push(stop);
      return {
        token: await bind(byToken, ports.token, citadel.servingCredentials('none')),
        peer: await bind(byPeer, ports.peer, citadel.servingCredentials('required')),
        stop,
      };
    },
  };
}

const bind = (server: grpc.Server, port: number, credentials: grpc.ServerCredentials): Promise<number> =>
  new Promise((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });

function startAgent(
  authority: Authority,
  ports: { token: number; peer: number },
  serviceAccount: string,
  more: Partial<AgentOptions> = {},
): Agent {
  const agent = createAgent({
    identity: { trustDomain: 'cluster.local', namespace: 'default', serviceAccount },
    tokenSource: authority.tokenSource(serviceAccount),
    caAddress: () => ({ token: `127.0.0.1:${ports.token}`, peer: `127.0.0.1:${ports.peer}` }),
    caRootPem: () => authority.citadel.rootBundlePem(),
    logger: silentLogger,
    ttlMs: TTL_MS,
    ...more,
  });
  closers.push(() => agent.close());
  agent.start();
  return agent;
}

/** A server that speaks only mutual TLS, always with the agent's newest certificate. */
async function serveAs(agent: Agent): Promise<number> {
  await agent.ready();
  const context = () => {
    const secrets = agent.secrets();
    return {
      key: secrets?.default.privateKeyPem ?? '',
      cert: secrets?.default.certChainPem ?? '',
      ca: secrets?.rootCaPem ?? '',
    };
  };
  const server = createServer({ ...context(), requestCert: true, rejectUnauthorized: true }, (socket) => {
    socket.on('error', () => {});
    const peer = readSvid(socket.getPeerCertificate().raw);
    socket.end(peer.ok ? peer.spiffeId : peer.reason);
  });
  agent.subscribe(() => server.setSecureContext(context()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => server.close());
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

/** @returns who the server said we are, and the serial of the certificate that it showed. */
async function callAs(agent: Agent, port: number): Promise<{ said: string; serial: string }> {
  const secrets = await agent.ready();
  const socket: TLSSocket = connect({
    host: '127.0.0.1',
    port,
    key: secrets.default.privateKeyPem,
    cert: secrets.default.certChainPem,
    ca: secrets.rootCaPem,
    checkServerIdentity: () => undefined,
  });
  await once(socket, 'secureConnect');
  const { serial } = readCertificate(socket.getPeerCertificate().raw);
  let said = '';
  for await (const chunk of socket) said += String(chunk);
  return { said, serial };
}

const issued = (citadel: Citadel, authenticator: string): number =>
  Number(
    new RegExp(`success_cert_issuance_count\\{authenticator="${authenticator}"\\} (\\d+)`).exec(
      citadel.metricsText(),
    )?.[1],
  );

describe('agents and the authority', () => {
  it('renew certificates of four seconds while workloads talk, without one failed handshake', async () => {
    const authority = await startAuthority();
    const ports = await authority.serve();
    const reviews = startAgent(authority, ports, 'reviews');
    const ratings = startAgent(authority, ports, 'ratings');
    const port = await serveAs(ratings);
    const serials = new Set<string>();
    const endMs = Date.now() + 9_000;
    while (Date.now() < endMs) {
      const { said, serial } = await callAs(reviews, port);
      expect(said).toBe('spiffe://cluster.local/ns/default/sa/reviews');
      serials.add(serial);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(serials.size).toBeGreaterThanOrEqual(4);
    expect(issued(authority.citadel, 'token')).toBe(2);
    expect(issued(authority.citadel, 'certificate')).toBeGreaterThanOrEqual(6);
    expect(reviews.state()).toMatchObject({ phase: 'serving', failures: 0 });
  });

  it('keep their certificate while the authority is away, and renew when it is back', async () => {
    const authority = await startAuthority();
    const ports = await authority.serve();
    const agent = startAgent(authority, ports, 'reviews');
    const { expiresAt } = (await agent.ready()).default;
    ports.stop();
    await waitFor(() => agent.state().failures >= 2);
    expect(agent.secrets()?.default.expiresAt).toBe(expiresAt);
    await authority.serve(ports);
    await waitFor(() => (agent.secrets()?.default.expiresAt ?? 0) > expiresAt);
    expect(agent.state()).toMatchObject({ phase: 'serving', failures: 0 });
  });

  it('come back with a token after their certificate expired', async () => {
    const authority = await startAuthority();
    const ports = await authority.serve();
    const agent = startAgent(authority, ports, 'reviews', { ttlMs: 2_000 });
    await agent.ready();
    ports.stop();
    await waitFor(() => agent.state().phase === 'expired');
    const before = issued(authority.citadel, 'token');
    await authority.serve(ports);
    await waitFor(() => agent.state().phase === 'serving');
    expect(issued(authority.citadel, 'token')).toBe(before + 1);
  });

  it('find an authority that came back on other ports', async () => {
    const authority = await startAuthority();
    let ports = await authority.serve();
    const agent = startAgent(authority, ports, 'reviews', {
      caAddress: () => ({ token: `127.0.0.1:${ports.token}`, peer: `127.0.0.1:${ports.peer}` }),
    });
    const { expiresAt } = (await agent.ready()).default;
    ports.stop();
    ports = await authority.serve();
    await waitFor(() => (agent.secrets()?.default.expiresAt ?? 0) > expiresAt);
  });
});

describe('an agent', () => {
  it('sends nothing to a server of another identity, though its certificate is good', async () => {
    const authority = await startAuthority();
    const { citadel } = authority;
    const impostor = citadel.issueInternal({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'x' });
    const server = new grpc.Server();
    let calls = 0;
    server.addService(citadel.service, {
      createCertificate: (_: unknown, callback: (error: Error) => void) => {
        calls += 1;
        callback(new Error('never'));
      },
    });
    const pair = { private_key: Buffer.from(impostor.privateKeyPem), cert_chain: Buffer.from(impostor.certChainPem) };
    const port = await bind(server, 0, grpc.ServerCredentials.createSsl(null, [pair]));
    closers.push(() => server.forceShutdown());
    const agent = startAgent(authority, { token: port, peer: port }, 'reviews');
    const error = await waitFor(() => agent.state().lastError);
    expect(error).toMatch(/the server is spiffe:\/\/cluster\.local\/ns\/default\/sa\/x, not .*weft-control-plane/);
    expect(calls).toBe(0);
  });

  it('sends nothing to a server under another root', async () => {
    const authority = await startAuthority();
    const other = await startAuthority();
    const ports = await other.serve();
    const agent = startAgent(authority, ports, 'reviews');
    const error = await waitFor(() => agent.state().lastError);
    expect(error).toMatch(/UNAVAILABLE: .*certificate/);
    expect(other.citadel.metricsText()).toMatch(/^citadel_server_csr_count 0$/m);
  });

  it('says so when its token is not accepted', async () => {
    const authority = await startAuthority();
    const ports = await authority.serve();
    const agent = startAgent(authority, ports, 'reviews', { tokenSource: () => 'a.b.c' });
    expect(await waitFor(() => agent.state().lastError)).toBe('UNAUTHENTICATED: request authenticate failure');
  });
});
