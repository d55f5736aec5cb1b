// Both ends of mutual TLS for tests: what a sidecar shows, and whom it expects.
import { create } from '@bufbuild/protobuf';
import { CertificateValidationContextSchema } from '@weft/contracts/lean/envoy/extensions/transport_sockets/tls/v3/common';
import { SdsSecretConfigSchema } from '@weft/contracts/lean/envoy/extensions/transport_sockets/tls/v3/secret';
import {
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from '@weft/contracts/lean/envoy/extensions/transport_sockets/tls/v3/tls';
import { StringMatcherSchema } from '@weft/contracts/lean/envoy/type/matcher/v3/string';
import { certificate, roots as rootSecret, spiffe } from './certificates.ts';
import { TestSecrets } from './harness.ts';
import { pack } from './resources.ts';

const sds = [create(SdsSecretConfigSchema, { name: 'default' })];
const rootSds = create(SdsSecretConfigSchema, { name: 'ROOTCA' });
/** Only callers with a certificate of the mesh. */
export const serverSocketWith = (...alpnProtocols: string[]) => ({
  name: 'envoy.transport_sockets.tls',
  configType: {
    case: 'typedConfig' as const,
    value: pack(DownstreamTlsContextSchema, {
      requireClientCertificate: true,
      commonTlsContext: {
        tlsCertificateSdsSecretConfigs: sds,
        validationContextType: { case: 'validationContextSdsSecretConfig', value: rootSds },
        alpnProtocols,
      },
    }),
  },
});
export const serverSocket = serverSocketWith('h2', 'http/1.1');
/** Only servers that run as one of these accounts. */
export const clientSocket = (...accounts: string[]) => ({
  name: 'envoy.transport_sockets.tls',
  configType: {
    case: 'typedConfig' as const,
    value: pack(UpstreamTlsContextSchema, {
      sni: 'outbound_.80_._.server.default.svc.cluster.local',
      commonTlsContext: {
        tlsCertificateSdsSecretConfigs: sds,
        alpnProtocols: ['istio-peer-exchange', 'istio'],
        validationContextType: {
          case: 'combinedValidationContext',
          value: {
            defaultValidationContext: create(CertificateValidationContextSchema, {
              matchSubjectAltNames: accounts.map((account) =>
                create(StringMatcherSchema, { matchPattern: { case: 'exact', value: spiffe(account) } }),
              ),
            }),
            validationContextSdsSecretConfig: rootSds,
          },
        },
      },
    }),
  },
});

export function secretsOf(
  name: Parameters<typeof certificate>[0],
  roots: Parameters<typeof rootSecret>[0] = 'root',
): TestSecrets {
  const secrets = new TestSecrets();
  secrets.set('default', certificate(name));
  secrets.set('ROOTCA', rootSecret(roots));
  return secrets;
}
