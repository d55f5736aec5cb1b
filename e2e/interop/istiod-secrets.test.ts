/** istiod over TLS, and the certificates that it names: files for TLS that clusters begin, secrets for what gateways show. */
import { createSign, generateKeyPairSync } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer, request as requestTls } from 'node:https';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { createTestAuthority, freePort, waitFor, type TestSecret } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { http, type Answer } from '../harness/http.ts';
import { findIstiod } from '../harness/istiod.ts';
import { firstAnswer, startWorld, type WeftProxy, type WeftProxySpec, type World } from './istiod-world.ts';
import { object, serviceEntry, sidecar } from './istiod-yaml.ts';

const found = findIstiod();
if (found.path === undefined) console.warn(`skipped: Weft's proxy and istiod's secrets (${found.reason})`);

const ISTIOD = 'istiod.istio-system.svc';
const NETWORKING = 'networking.istio.io/v1';
/** Of the servers outside of the mesh, and of the clients of gateways. */
const outside = createTestAuthority('outside root');
const issuer = generateKeyPairSync('rsa', { modulusLength: 2048 });

let world: World;
let [client, gateway]: (WeftProxy | undefined)[] = [];

const call = (host: string, path = '/'): Promise<Answer> =>
  http(`http://${client?.address}:8000${path}`, { headers: { host } });

/** A token as a cluster gives it to a workload. */
function tokenFor(account: string, audience = 'istio-ca'): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const signed = `${part({ alg: 'RS256', kid: 'one' })}.${part({
    iss: 'tokens.test',
    sub: `system:serviceaccount:default:${account}`,
    aud: [audience],
    iat: now,
    exp: now + 3600,
  })}`;
  return `${signed}.${createSign('RSA-SHA256').update(signed).sign(issuer.privateKey, 'base64url')}`;
}

const secure =
  (server = ISTIOD): NonNullable<WeftProxySpec['flags']> =>
  (folder) => [
    `--xds=${world.istiod.secureXds}`,
    `--xds-server-name=${server}`,
    `--secrets-dir=${folder}`,
    `--secret-files=${join(world.directory, 'files')}`,
    `--system-roots=${join(world.directory, 'system.pem')}`,
  ];

/** What a client of the gateway gets. */
function fetchTls(own: Partial<TestSecret> = {}, trusted = outside): Promise<{ status: number; serial: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = requestTls(
      {
        host: gateway?.address,
        port: 8443,
        path: '/open',
        servername: 'shop.outside.test',
        headers: { host: 'shop.outside.test' },
        ca: trusted.rootsPem,
        cert: own.certChainPem,
        key: own.privateKeyPem,
        agent: false,
      },
      (answer) => {
        const serial = (answer.socket as TLSSocket).getPeerCertificate().serialNumber;
        answer.resume().once('end', () => resolve({ status: answer.statusCode ?? 0, serial }));
      },
    );
    outgoing.setTimeout(10_000, () => outgoing.destroy(new Error('no answer')));
    outgoing.once('error', reject).end();
  });
}

const credential = (mode: string): string =>
  object(
    NETWORKING,
    'Gateway',
    'https',
    `{ selector: { istio: edge }, servers: [{ port: { number: 8443, name: https, protocol: HTTPS }, bind: ${world.block}.3.1, tls: { mode: ${mode}, credentialName: shop-outside }, hosts: [shop.outside.test] }] }`,
  );

const origination = (name: string, tls: string): string =>
  `${serviceEntry(name, '{ number: 8000, name: http, protocol: HTTP, targetPort: 8080 }', [`{ address: ${world.block}.9.1 }`])}---\n` +
  object(NETWORKING, 'DestinationRule', name, `{ host: ${name}.mesh.test, trafficPolicy: { tls: ${tls} } }`);

describe.skipIf(found.path === undefined)("Weft's proxies and the secrets of istiod", () => {
  beforeAll(async () => {
    const jwksPort = await freePort();
    world = await startWorld(found.path ?? '', {
      serverName: ISTIOD,
      env: {
        JWT_RULE: JSON.stringify({
          issuer: 'tokens.test',
          jwks_uri: `http://127.0.0.1:${jwksPort}/`,
          audiences: ['istio-ca'],
        }),
      },
      config: (block) => ({
        client: sidecar('client', [
          `{ port: { number: 8000, protocol: HTTP, name: http }, bind: ${block}.1.1, captureMode: NONE, hosts: ["./*"] }`,
        ]),
        shop:
          `${serviceEntry('shop', '{ number: 8000, name: http, protocol: HTTP, targetPort: 8080 }', [`{ address: ${block}.9.2 }`])}---\n` +
          object(
            NETWORKING,
            'VirtualService',
            'shop-outside',
            '{ hosts: [shop.outside.test], gateways: [https], http: [{ route: [{ destination: { host: shop.mesh.test } }] }] }',
          ),
      }),
    });
    const keys = { keys: [{ ...issuer.publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'RS256', use: 'sig' }] };
    await world.serve(
      createHttpServer((_, response) => void response.end(JSON.stringify(keys))),
      0,
      jwksPort,
    );
    const origin = outside.issue(['origin.mesh.test', 'named.test', 'mutual.mesh.test']);
    await world.serve(
      createHttpsServer(
        {
          cert: origin.certChainPem,
          key: origin.privateKeyPem,
          ca: outside.rootsPem,
          requestCert: true,
          rejectUnauthorized: false,
        },
        ({ socket }, response) => {
          const tls = socket as TLSSocket;
          response.end(JSON.stringify({ sni: tls.servername, client: tls.authorized }));
        },
      ),
      1,
    );
    await world.app(2, 'shop');
    await mkdir(join(world.directory, 'files'));
    await writeFile(join(world.directory, 'token'), 'of-the-admin-page\n', { mode: 0o600 });
    await writeFile(join(world.directory, 'system.pem'), outside.rootsPem);
    [client, gateway] = await Promise.all([
      world.start({ name: 'client', index: 1, flags: secure() }),
      world.start({
        name: 'edge',
        index: 3,
        type: 'router',
        labels: { istio: 'edge' },
        flags: (folder) => [...secure()(folder), '--concurrency=2', `--admin-token=${join(world.directory, 'token')}`],
      }),
    ]);
    await firstAnswer(client, () => call('shop.mesh.test'));
  });
  afterAll(() => world?.[Symbol.asyncDispose]());

  it('SE-03 under istiod: discovery over mutual TLS; who serves under another name is not believed', async () => {
    for (const proxy of [client, gateway]) expect(await proxy?.refused()).toEqual([]);
    const wary = await world.start({ name: 'wary', index: 6, flags: secure('pilot.test'), awaited: false });
    await waitFor(() => wary.log().includes('the server is not pilot.test'));
    expect(await wary.admin('/ready')).toContain(`DNS:${ISTIOD}`);
    await wary.stop();
  });

  it('SE-01 under istiod: a token says who asks; one for somebody else is refused', async () => {
    const start = async (name: string, index: number, token: string, awaited: boolean): Promise<WeftProxy> => {
      const [tokenFile, roots] = [join(world.directory, `${name}.token`), join(world.directory, `${name}.roots`)];
      await writeFile(tokenFile, `${token}\n`, { mode: 0o600 });
      await writeFile(roots, world.authority.rootsPem);
      return world.start({
        name,
        index,
        awaited,
        flags: () => [
          `--xds=${world.istiod.secureXds}`,
          `--xds-server-name=${ISTIOD}`,
          `--xds-roots=${roots}`,
          `--xds-token=${tokenFile}`,
        ],
      });
    };
    const told = await start('told', 7, tokenFor('told'), true);
    expect(await told.refused()).toEqual([]);
    await told.stop();
    const stranger = await start('stranger', 8, tokenFor('stranger', 'elsewhere'), false);
    await waitFor(() => /UNAUTHENTICATED/.test(stranger.log()));
    // A renewed token is taken up without a new start.
    await writeFile(join(world.directory, 'stranger.token'), tokenFor('stranger'));
    await waitFor(async () => (await stranger.admin('/ready')).startsWith('LIVE'), { timeoutMs: 60_000 });
    await stranger.stop();
  });

  it('OP-04 under istiod: the admin page lets those change something who have its token', async () => {
    const ask = (path: string, token: string): Promise<Answer> =>
      http(`http://${gateway?.address}:15000${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
      });
    expect((await ask('/logging', 'of-somebody-else')).status).toBe(401);
    const told = await ask('/logging?level=warning', 'of-the-admin-page');
    expect([told.status, told.body]).toEqual([200, 'active loggers:\n  proxy: warn\n']);
    // Who was told of no token changes nothing.
    expect((await http(`http://${client?.address}:15000/logging`, { method: 'POST' })).status).toBe(401);
    expect((await ask('/logging?level=info', 'of-the-admin-page')).status).toBe(200);
  });

  it('SE-03 under istiod: TLS that a DestinationRule begins, by roots of the system or of a file', async () => {
    await world.istiod.apply('origin', origination('origin', '{ mode: SIMPLE }'));
    const answer = await waitFor(async () => {
      const one = await call('origin.mesh.test');
      return one.status === 200 ? one : undefined;
    });
    expect(JSON.parse(answer.body)).toEqual({ sni: 'origin.mesh.test', client: false });

    const file = join(world.directory, 'files/ca.pem');
    await writeFile(file, createTestAuthority('wrong root').rootsPem);
    const named = `{ mode: SIMPLE, sni: named.test, subjectAltNames: [named.test], caCertificates: ${file} }`;
    await world.istiod.apply('named', origination('named', named));
    await waitFor(async () => (await call('named.mesh.test')).headers['x-weft-reason'] === 'upstream-tls-failure');
    await writeFile(file, outside.rootsPem);
    await waitFor(async () => (await call('named.mesh.test')).status === 200);
    // What was good stays, when its file goes.
    await rm(file);
    await waitFor(async () => (await client?.refused())?.some((text) => text.includes('ENOENT')));
    expect((await call('named.mesh.test')).status).toBe(200);
    await world.istiod.remove('named');
    await waitFor(async () => (await client?.refused())?.length === 0);
  });

  it('SE-03 under istiod: a server that is somebody else than asked for is not spoken to', async () => {
    await world.istiod.apply('stranger', origination('stranger', '{ mode: SIMPLE }'));
    await waitFor(
      async () => (await call('stranger.mesh.test')).headers['x-weft-reason'] === 'upstream-identity-mismatch',
    );
    await world.istiod.remove('stranger');
  });

  it('SE-03 under istiod: a certificate of files is shown; files elsewhere are not read', async () => {
    const own = outside.issue('spiffe://outside/client');
    const [chain, key] = [join(world.directory, 'files/chain.pem'), join(world.directory, 'files/key.pem')];
    await writeFile(chain, own.certChainPem);
    await writeFile(key, own.privateKeyPem, { mode: 0o600 });
    const rule = (privateKey: string): string =>
      origination('mutual', `{ mode: MUTUAL, clientCertificate: ${chain}, privateKey: ${privateKey} }`);
    await world.istiod.apply('mutual', rule(join(world.directory, 'client/key.pem')));
    const reason = await waitFor(async () => (await client?.refused())?.find((text) => text.startsWith('file-cert:')));
    expect(reason).toContain('is in none of the folders that may be read');
    const refused = await call('mutual.mesh.test');
    expect([refused.status, refused.headers['x-weft-reason']]).toEqual([503, 'upstream-tls-failure']);
    await world.istiod.apply('mutual', rule(key));
    const answer = await waitFor(async () => {
      const one = await call('mutual.mesh.test');
      return one.status === 200 ? one : undefined;
    });
    expect(JSON.parse(answer.body)).toEqual({ sni: 'mutual.mesh.test', client: true });
    expect(await client?.refused()).toEqual([]);
  });

  it('SE-03 under istiod: a gateway shows the certificate of its credentialName, and a renewed one', async () => {
    await world.istiod.apply('https', credential('SIMPLE'));
    await waitFor(async () => (await gateway?.admin('/listeners'))?.includes(':8443'));
    await waitFor(async () => (await gateway?.refused())?.some((text) => text.startsWith('kubernetes://shop-outside')));
    await expect(fetchTls()).rejects.toThrow();
    const put = (name: string): void => {
      const secret = outside.issue(name);
      world.istiod.kubernetes.putSecret('default', 'shop-outside', {
        'tls.crt': secret.certChainPem,
        'tls.key': secret.privateKeyPem,
        'ca.crt': outside.rootsPem,
      });
    };
    put('shop.outside.test');
    const first = await waitFor(() => fetchTls().catch(() => undefined));
    expect(first.status).toBe(200);
    put('shop.outside.test');
    await waitFor(async () => (await fetchTls()).serial !== first.serial);
    expect(await gateway?.admin('/config_dump')).not.toContain('PRIVATE KEY');
    expect(await gateway?.admin('/certs')).toContain('kubernetes://shop-outside');
    expect(await gateway?.refused()).toEqual([]);
  });

  it('SE-03 under istiod: a gateway that wants certificates takes those of its roots alone', async () => {
    await world.istiod.apply('https', credential('MUTUAL'));
    const own = outside.issue('spiffe://outside/client');
    await waitFor(() =>
      fetchTls().then(
        () => false,
        () => true,
      ),
    );
    await waitFor(async () => (await fetchTls(own).catch(() => undefined))?.status === 200);
    await expect(fetchTls()).rejects.toThrow();
    await expect(fetchTls(createTestAuthority('elsewhere').issue('spiffe://outside/client'))).rejects.toThrow();
  });
});
