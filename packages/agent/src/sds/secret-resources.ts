/** The workload's secrets as Envoy's SDS resources. */
import { create, toBinary } from '@bufbuild/protobuf';
import { SECRET_DEFAULT, SECRET_ROOT } from '@weft/contracts';
import { SecretSchema } from '@weft/contracts/lean/envoy/extensions/transport_sockets/tls/v3/secret';
import type { XdsResource } from '@weft/xds';
import type { AgentSecrets } from '../keeper/secrets.ts';

const inline = (pem: string) => ({ specifier: { case: 'inlineBytes' as const, value: Buffer.from(pem, 'utf8') } });

/** Certificate and key are one resource, so that Envoy never sees halves of two pairs. @param version says nothing of the content. */
export function secretResources(secrets: AgentSecrets, version: string): ReadonlyMap<string, XdsResource> {
  const { certChainPem, privateKeyPem } = secrets.default;
  const own = create(SecretSchema, {
    name: SECRET_DEFAULT,
    type: {
      case: 'tlsCertificate',
      value: { certificateChain: inline(certChainPem), privateKey: inline(privateKeyPem) },
    },
  });
  const roots = create(SecretSchema, {
    name: SECRET_ROOT,
    type: { case: 'validationContext', value: { trustedCa: inline(secrets.rootCaPem) } },
  });
  return new Map(
    [own, roots].map((secret) => [secret.name, { name: secret.name, version, bytes: toBinary(SecretSchema, secret) }]),
  );
}
