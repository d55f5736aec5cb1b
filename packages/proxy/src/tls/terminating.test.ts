import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  CertificateValidationContextSchema,
  SubjectAltNameMatcher_SanType as SanType,
} from '@weft/contracts/lean/envoy/extensions/transport_sockets/tls/v3/common';
import { SdsSecretConfigSchema } from '@weft/contracts/lean/envoy/extensions/transport_sockets/tls/v3/secret';
import {
  type CommonTlsContextSchema,
  DownstreamTlsContextSchema,
} from '@weft/contracts/lean/envoy/extensions/transport_sockets/tls/v3/tls';
import { StringMatcherSchema } from '@weft/contracts/lean/envoy/type/matcher/v3/string';
import { createTestAuthority, tempDir } from '@weft/testkit';
import { describe, expect, it } from 'vitest';
import { startProxy, TestSecrets, type TestProxy } from '../test-support/harness.ts';
import { httpChain, listener, pack, resourceSet, routes, staticCluster, toCluster } from '../test-support/resources.ts';

const authority = createTestAuthority();
const shown = authority.issue('shop.test');
const sds = (name: string) => create(SdsSecretConfigSchema, { name });

/** A gateway whose certificate is called `shop`. */
function gateway(
  common: MessageInitShape<typeof CommonTlsContextSchema> = {},
  message: Omit<MessageInitShape<typeof DownstreamTlsContextSchema>, '$typeName'> = {},
  more: Readonly<Record<string, Parameters<TestSecrets['set']>[1]>> = {},
): Promise<TestProxy> {
  const secrets = new TestSecrets();
  secrets.set('shop', { certificateChain: shown.certChainPem, privateKey: shown.privateKeyPem });
  for (const [name, secret] of Object.entries(more)) secrets.set(name, secret);
  const value = pack(DownstreamTlsContextSchema, {
    commonTlsContext: { tlsCertificateSdsSecretConfigs: [sds('shop')], ...common },
    ...message,
  });
  const transportSocket = { name: 'tls', configType: { case: 'typedConfig' as const, value } };
  return startProxy(
    resourceSet({
      listeners: [listener('in', [httpChain(routes(toCluster('app')), {}, { transportSocket })])],
      clusters: [staticCluster('app', [1])],
    }),
    { secrets },
  );
}

/** @returns what was agreed on, or the code of the failure. */
const shake = (proxy: TestProxy, options: ConnectionOptions = {}): Promise<string> =>
  new Promise((resolve) => {
    const socket = connectTls({
      host: '127.0.0.1',
      port: proxy.portOf('in'),
      servername: 'shop.test',
      rejectUnauthorized: false,
      maxVersion: 'TLSv1.2',
      ...options,
    });
    // In TLS 1.3 a client hears of its refusal only after its handshake.
    socket.write('GET / HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n\r\n');
    socket.once('data', () => {
      resolve(socket.getCipher().name);
      socket.destroy();
    });
    socket.once('error', () => resolve('refused'));
    socket.once('close', () => resolve('refused'));
  });

describe('TLS that ends here', () => {
  it('speaks only what tls_params names of the safe suites', async () => {
    await using proxy = await gateway({ tlsParams: { cipherSuites: ['ECDHE-ECDSA-AES256-GCM-SHA384', 'AES128-SHA'] } });
    expect(await shake(proxy)).toBe('ECDHE-ECDSA-AES256-GCM-SHA384');
    expect(await shake(proxy, { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' })).toBe('refused');
  });

  it('wants to know who is meant where require_sni is set', async () => {
    await using proxy = await gateway({}, { requireSni: true });
    expect(await shake(proxy)).toMatch(/^ECDHE-ECDSA/);
    expect(await shake(proxy, { servername: '' })).toBe('refused');
  });

  it('shows the certificate whose kind of key the client speaks, and none before all are there', async () => {
    await using dir = await tempDir();
    const [key, cert] = [join(dir.path, 'key.pem'), join(dir.path, 'cert.pem')];
    const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=shop.test'];
    execFileSync('openssl', [...request, '-keyout', key, '-out', cert], { stdio: 'ignore' });
    const rsa = { certificateChain: readFileSync(cert, 'utf8'), privateKey: readFileSync(key, 'utf8') };
    const both = { tlsCertificateSdsSecretConfigs: [sds('shop'), sds('shop-rsa')] };
    await using proxy = await gateway(both, {}, { 'shop-rsa': rsa });
    expect(await shake(proxy, { ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' })).toBe('ECDHE-RSA-AES128-GCM-SHA256');
    expect(await shake(proxy, { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' })).toBe('ECDHE-ECDSA-AES128-GCM-SHA256');
    await using lacking = await gateway(both);
    expect(await shake(lacking)).toBe('refused');
  });

  it('looks for expected names among names of their kind alone', async () => {
    const wanting = (sanType: SanType): Promise<TestProxy> =>
      gateway(
        {
          validationContextType: {
            case: 'combinedValidationContext',
            value: {
              defaultValidationContext: create(CertificateValidationContextSchema, {
                matchTypedSubjectAltNames: [
                  {
                    sanType,
                    matcher: create(StringMatcherSchema, { matchPattern: { case: 'suffix', value: 'client' } }),
                  },
                ],
              }),
              validationContextSdsSecretConfig: sds('roots'),
            },
          },
        },
        { requireClientCertificate: true },
        { roots: { trustedCa: authority.rootsPem } },
      );
    const { certChainPem, privateKeyPem } = authority.issue('spiffe://here/client');
    const own = { cert: certChainPem, key: privateKeyPem };
    await using uris = await wanting(SanType.URI);
    expect(await shake(uris, own)).toMatch(/^ECDHE-ECDSA/);
    await using names = await wanting(SanType.DNS);
    expect(await shake(names, own)).toBe('refused');
    const rejected = await wanting(SanType.EMAIL).then(
      () => '',
      (error: unknown) => String(error),
    );
    expect(rejected).toContain('san_type must be DNS or URI');
  });
});
