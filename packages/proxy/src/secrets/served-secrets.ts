/** Secrets that the control plane serves beside its configuration: what a gateway shows for a `credentialName`. */
import { fromBinary } from '@bufbuild/protobuf';
import type { DataSource } from '@weft/contracts/lean/envoy/config/core/v3/base';
import {
  CertificateValidationContext_TrustChainVerification as TrustChain,
  type CertificateValidationContext,
  type TlsCertificate,
} from '@weft/contracts/lean/envoy/extensions/transport_sockets/tls/v3/common';
import { SecretSchema } from '@weft/contracts/lean/envoy/extensions/transport_sockets/tls/v3/secret';
import { WeftError } from '@weft/kit';
import type { TlsSecret } from '../ports.ts';
import { readCertificate, readRoots } from './pem.ts';

/** @throws {WeftError} WEFT_SECRET when it is none, or restricts what this proxy does not check. */
export function readServedSecret(name: string, bytes: Uint8Array): TlsSecret {
  const secret = fromBinary(SecretSchema, bytes);
  if (secret.name !== name) refuse(name, `the message calls itself "${secret.name}"`);
  switch (secret.type.case) {
    case 'tlsCertificate':
      return certificateOf(name, secret.type.value);
    case 'validationContext':
      return rootsOf(name, secret.type.value);
    default:
      return refuse(name, 'only tls_certificate and validation_context are known');
  }
}

function certificateOf(name: string, { certificateChain, privateKey }: TlsCertificate): TlsSecret {
  const chain = textOf(name, 'tls_certificate.certificate_chain', certificateChain);
  const key = textOf(name, 'tls_certificate.private_key', privateKey);
  return readCertificate(chain, key, `${name}: certificate_chain`, `${name}: private_key`);
}

function rootsOf(name: string, context: CertificateValidationContext): TlsSecret {
  const { $typeName: _, trustedCa, trustChainVerification, ...rest } = context;
  const more = Object.entries(rest).find(([, value]) =>
    Array.isArray(value) ? value.length > 0 : value !== undefined,
  );
  if (more !== undefined || trustChainVerification !== TrustChain.VERIFY_TRUST_CHAIN)
    refuse(name, `validation_context: only trusted_ca is read${more === undefined ? '' : `, not ${more[0]}`}`);
  return readRoots(textOf(name, 'validation_context.trusted_ca', trustedCa), `${name}: trusted_ca`);
}

function textOf(name: string, field: string, source: DataSource | undefined): string {
  const { specifier } = source ?? {};
  if (specifier?.case === 'inlineString' && specifier.value !== '') return specifier.value;
  if (specifier?.case === 'inlineBytes' && specifier.value.length > 0)
    return Buffer.from(specifier.value).toString('utf8');
  return refuse(name, `${field}: ${specifier?.case === undefined ? 'is not set' : 'must be inline, and not empty'}`);
}

function refuse(name: string, reason: string): never {
  throw new WeftError('WEFT_SECRET', `Secret "${name}": ${reason}`);
}
