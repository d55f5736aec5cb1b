// What upstream and downstream TLS have in common: where keys and roots come from, and what is offered.
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import type { CommonTlsContext } from '@weft/contracts/lean/envoy/extensions/transport_sockets/tls/v3/tls';
import {
  CertificateValidationContext_TrustChainVerification as TrustChain,
  SubjectAltNameMatcher_SanType as SanType,
  TlsParameters_TlsProtocol as TlsVersion,
} from '@weft/contracts/lean/envoy/extensions/transport_sockets/tls/v3/common';
import type {
  CertificateValidationContext,
  TlsCertificate,
} from '@weft/contracts/lean/envoy/extensions/transport_sockets/tls/v3/common';
import type { DataSource } from '@weft/contracts/lean/envoy/config/core/v3/base';
import { compileStringMatcher, ConfigRejectedError, type RegexEngine, type TextTest } from '@weft/evaluator';
import type { SecretSource, TlsSecret } from '../ports.ts';
import type { SubjectAltNames } from './subject-alt-names.ts';
import { cipherList, curveList } from './tls-parameters.ts';

/** Secrets with a number that grows whenever one changes, so that users can tell whether what they made of them is stale. */
export interface LiveSecrets {
  get(name: string): TlsSecret | undefined;
  readonly generation: number;
  close(): void;
}

export function watchSecrets(source: SecretSource, onChange: () => void): LiveSecrets {
  let generation = 1;
  const stop = source.onChange(() => {
    generation += 1;
    onChange();
  });
  return {
    get: (name) => source.get(name),
    get generation() {
      return generation;
    },
    close: stop,
  };
}

/** Istio's TCP metadata exchange: who chooses it puts a preamble of its own in front of the bytes, which is not spoken here. */
export const NOT_SPOKEN: ReadonlySet<string> = new Set(['istio-peer-exchange']);

export interface PeerName {
  readonly test: TextTest;
  /** Among which of its names; undefined = all. */
  readonly kind: 'uri' | 'dns' | undefined;
}

/** Whether one of these names of a peer is expected. */
export const isExpected = (expected: readonly PeerName[], { uris, dns }: SubjectAltNames): boolean =>
  expected.some(
    ({ test, kind }) =>
      (kind !== 'dns' && uris.some((uri) => test(uri))) || (kind !== 'uri' && dns.some((name) => test(name))),
  );

export interface TlsMaterial {
  /** SDS name of the certificate, or the certificate itself; undefined = none is shown. */
  readonly certificate: string | TlsSecret | undefined;
  /** Others of other kinds of key, from which the peer's abilities choose. */
  readonly moreCertificates: readonly (string | TlsSecret)[];
  readonly roots: string | TlsSecret | undefined;
  /** Names of the peer, any of which must match; empty = not checked. */
  readonly peerNames: readonly PeerName[];
  readonly alpn: readonly string[];
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  readonly maxVersion: 'TLSv1.2' | 'TLSv1.3';
  /** OpenSSL's lists. */
  readonly ciphers: string;
  readonly curves: string;
}

/** @throws {ConfigRejectedError} when a field is set that would not be enforced. */
export function compileMaterial(
  common: CommonTlsContext | undefined,
  regex: RegexEngine,
  resource: string,
): TlsMaterial {
  const refuse = (reason: string): never => {
    throw new ConfigRejectedError(resource, `common_tls_context: ${reason}`);
  };
  if (common === undefined) return refuse('is not set');
  const { validationContextType: validation } = common;
  let roots: TlsMaterial['roots'];
  let rules: CertificateValidationContext | undefined;
  switch (validation.case) {
    case 'validationContext':
      rules = validation.value;
      roots = inlineRoots(rules, refuse);
      break;
    case 'validationContextSdsSecretConfig':
      roots = validation.value.name;
      break;
    case 'combinedValidationContext':
      rules = validation.value.defaultValidationContext;
      roots = validation.value.validationContextSdsSecretConfig?.name;
      break;
    case undefined:
      break;
  }
  if (rules !== undefined && (rules.verifyCertificateHash.length > 0 || rules.verifyCertificateSpki.length > 0)) {
    refuse('verify_certificate_hash and verify_certificate_spki are not supported yet');
  }
  if (rules?.crl !== undefined) refuse('crl is not supported yet');
  if (rules !== undefined && rules.trustChainVerification !== TrustChain.VERIFY_TRUST_CHAIN)
    refuse('trust_chain_verification: only VERIFY_TRUST_CHAIN is supported');
  const matchers = [
    ...(rules?.matchTypedSubjectAltNames ?? []).map(({ matcher, sanType }) => ({
      matcher: matcher ?? refuse('match_typed_subject_alt_names: matcher is not set'),
      kind:
        SAN_KINDS.get(sanType) ??
        refuse('match_typed_subject_alt_names: san_type must be DNS or URI, nothing else is read'),
    })),
    ...(rules?.matchSubjectAltNames ?? []).map((matcher) => ({ matcher, kind: undefined })),
  ];
  const served = common.tlsCertificateSdsSecretConfigs.map(({ name }) => name);
  const [certificate, ...moreCertificates] =
    served.length > 0 ? served : common.tlsCertificates.map((inline) => inlineCertificate(inline, refuse));
  const { tlsMinimumProtocolVersion: min = 0, tlsMaximumProtocolVersion: max = 0 } = common.tlsParams ?? {};
  return {
    certificate,
    moreCertificates,
    ciphers: cipherList(common.tlsParams?.cipherSuites ?? [], refuse),
    curves: curveList(common.tlsParams?.ecdhCurves ?? [], refuse),
    roots,
    peerNames: matchers.map(({ matcher, kind }, i) => ({
      kind,
      test: compileStringMatcher(matcher, regex, { resource, path: `match_subject_alt_names[${i}]` }),
    })),
    alpn: common.alpnProtocols,
    minVersion: min === TlsVersion.TLSv1_3 ? 'TLSv1.3' : 'TLSv1.2',
    maxVersion:
      max === TlsVersion.TLSv1_2 || max === TlsVersion.TLSv1_1 || max === TlsVersion.TLSv1_0 ? 'TLSv1.2' : 'TLSv1.3',
  };
}

const SAN_KINDS: ReadonlyMap<SanType, 'uri' | 'dns'> = new Map([
  [SanType.URI, 'uri'],
  [SanType.DNS, 'dns'],
]);

type Refuse = (reason: string) => never;

const inlineRoots = (rules: CertificateValidationContext, refuse: Refuse): TlsSecret | undefined =>
  rules.trustedCa === undefined ? undefined : { trustedCa: inlineText('trusted_ca', rules.trustedCa, refuse) };

const inlineCertificate = (certificate: TlsCertificate, refuse: Refuse): TlsSecret => ({
  certificateChain: inlineText('certificate_chain', certificate.certificateChain, refuse),
  privateKey: inlineText('private_key', certificate.privateKey, refuse),
});

/** What is not read must not stand for nothing: without roots of its own a context has those of the system. */
function inlineText(field: string, source: DataSource | undefined, refuse: Refuse): string {
  switch (source?.specifier.case) {
    case 'inlineString':
      if (source.specifier.value !== '') return source.specifier.value;
      break;
    case 'inlineBytes':
      if (source.specifier.value.length > 0) return Buffer.from(source.specifier.value).toString('utf8');
      break;
    case 'filename':
    case 'environmentVariable':
      return refuse(`${field}: only inline_string and inline_bytes are read, not ${source.specifier.case}`);
    case undefined:
      break;
  }
  return refuse(`${field} is empty`);
}

/** @returns options for a context, or the reason why there can be none yet. */
export function secureOptions(material: TlsMaterial, secrets: LiveSecrets): SecureContextOptions | string {
  const options: SecureContextOptions = {
    minVersion: material.minVersion,
    maxVersion: material.maxVersion,
    ciphers: material.ciphers,
    ecdhCurve: material.curves,
  };
  if (material.certificate !== undefined) {
    const shown = certificateIn(material.certificate, secrets);
    if (shown === undefined) return NOT_SUPPLIED;
    const more = material.moreCertificates.map((one) => certificateIn(one, secrets));
    if (more.includes(undefined)) return NOT_SUPPLIED;
    const all = [shown, ...more.flatMap((one) => one ?? [])];
    options.cert = all.length === 1 ? shown.chain : all.map(({ chain }) => chain);
    options.key = all.length === 1 ? shown.key : all.map(({ key }) => key);
  }
  if (material.roots !== undefined) {
    const secret = typeof material.roots === 'string' ? secrets.get(material.roots) : material.roots;
    if (secret?.trustedCa === undefined) return NOT_SUPPLIED;
    options.ca = secret.trustedCa;
  }
  return options;
}

const NOT_SUPPLIED = 'TLS error: Secret is not supplied by SDS';

function certificateIn(
  certificate: string | TlsSecret,
  secrets: LiveSecrets,
): { readonly chain: string; readonly key: string } | undefined {
  const { certificateChain: chain, privateKey: key } =
    (typeof certificate === 'string' ? secrets.get(certificate) : certificate) ?? {};
  return chain === undefined || key === undefined ? undefined : { chain, key };
}

export function buildContext(material: TlsMaterial, secrets: LiveSecrets): SecureContext | string {
  const options = secureOptions(material, secrets);
  if (typeof options === 'string') return options;
  try {
    return createSecureContext(options);
  } catch (error) {
    return `TLS error: ${error instanceof Error ? error.message : String(error)}`;
  }
}
