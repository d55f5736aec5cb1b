/** TLS contexts for mutual TLS inside the mesh and for TLS that a DestinationRule originates. */
import { create } from '@bufbuild/protobuf';
import { SECRET_DEFAULT, SECRET_ROOT, sniName } from '@weft/contracts';
import { TransportSocketSchema, type TransportSocket } from '@weft/contracts/full/envoy/config/core/v3/base';
import { ApiConfigSource_ApiType, ApiVersion } from '@weft/contracts/full/envoy/config/core/v3/config_source';
import { RawBufferSchema } from '@weft/contracts/full/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer';
import {
  CertificateValidationContextSchema,
  SubjectAltNameMatcher_SanType,
  SubjectAltNameMatcherSchema,
  TlsParameters_TlsProtocol,
  type SubjectAltNameMatcher,
  type TlsParameters,
  TlsParametersSchema,
} from '@weft/contracts/full/envoy/extensions/transport_sockets/tls/v3/common';
import {
  SdsSecretConfigSchema,
  type SdsSecretConfig,
} from '@weft/contracts/full/envoy/extensions/transport_sockets/tls/v3/secret';
import {
  CommonTlsContextSchema,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
  type CommonTlsContext,
} from '@weft/contracts/full/envoy/extensions/transport_sockets/tls/v3/tls';
import type { ClientTls } from '../config-store/kinds.ts';
import { isHttp, isHttp2, type Protocol } from '../model/protocol.ts';
import type { SpokenHttp } from './cluster-policy.ts';
import type { MeshOptions } from '../options.ts';
import { duration, pack, stringMatcher } from './envoy.ts';

/** The agent's secret service: for a real Envoy a Unix socket named by its bootstrap; a Weft proxy gets the same names from its parent. */
export const SDS_CLUSTER = 'sds-grpc';

const CIPHERS = [
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-GCM-SHA256',
];

const tlsParams = (): TlsParameters =>
  create(TlsParametersSchema, {
    tlsMinimumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_2,
    tlsMaximumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
    cipherSuites: CIPHERS,
  });

function sdsSecret(name: string): SdsSecretConfig {
  return create(SdsSecretConfigSchema, {
    name,
    sdsConfig: {
      configSourceSpecifier: {
        case: 'apiConfigSource',
        value: {
          apiType: ApiConfigSource_ApiType.GRPC,
          transportApiVersion: ApiVersion.V3,
          setNodeOnFirstMessageOnly: true,
          grpcServices: [{ targetSpecifier: { case: 'envoyGrpc', value: { clusterName: SDS_CLUSTER } } }],
        },
      },
      resourceApiVersion: ApiVersion.V3,
      initialFetchTimeout: duration(0),
    },
  });
}

/** The workload's own certificate, and peers checked against the mesh's roots and these names. */
function meshTlsContext(alpn: readonly string[], sans: readonly SubjectAltNameMatcher[]): CommonTlsContext {
  return create(CommonTlsContextSchema, {
    alpnProtocols: [...alpn],
    tlsParams: tlsParams(),
    tlsCertificateSdsSecretConfigs: [sdsSecret(SECRET_DEFAULT)],
    validationContextType: {
      case: 'combinedValidationContext',
      value: {
        defaultValidationContext: create(CertificateValidationContextSchema, { matchTypedSubjectAltNames: [...sans] }),
        validationContextSdsSecretConfig: sdsSecret(SECRET_ROOT),
      },
    },
  });
}

const uriSan = (kind: 'exact' | 'prefix', value: string): SubjectAltNameMatcher =>
  create(SubjectAltNameMatcherSchema, {
    sanType: SubjectAltNameMatcher_SanType.URI,
    matcher: stringMatcher(kind, value),
  });

const dnsSan = (value: string): SubjectAltNameMatcher =>
  create(SubjectAltNameMatcherSchema, {
    sanType: SubjectAltNameMatcher_SanType.DNS,
    matcher: stringMatcher('exact', value),
  });

/** ALPN names by which a server tells mesh traffic from an application's own TLS; the last is what is spoken inside. */
export function meshAlpn(speaks: SpokenHttp | 'tcp'): readonly string[] {
  if (speaks === 'http2') return ['istio-h2', 'istio', 'h2'];
  if (speaks === 'http1') return ['istio-http/1.1', 'istio', 'http/1.1'];
  return ['istio-peer-exchange', 'istio'];
}

export const MESH_HTTP_ALPN: readonly string[] = [
  'istio',
  'istio-peer-exchange',
  'istio-http/1.0',
  'istio-http/1.1',
  'istio-h2',
];

/** The first that a client offers too is agreed on: where HTTP is served, it must tell which. */
const serverAlpn = (serves: 'http' | 'tcp'): readonly string[] =>
  serves === 'http' ? ['h2', 'http/1.1'] : ['istio-peer-exchange', 'istio', 'h2', 'http/1.1'];

/** A server's side of mutual TLS: any identity of the trust domains; who may do what is for authorization. */
export function meshServerTls(serves: 'http' | 'tcp', mesh: MeshOptions): TransportSocket {
  const sans = [mesh.trustDomain, ...mesh.trustDomainAliases].map((domain) => uriSan('prefix', `spiffe://${domain}/`));
  return create(TransportSocketSchema, {
    name: 'envoy.transport_sockets.tls',
    configType: {
      case: 'typedConfig',
      value: pack(DownstreamTlsContextSchema, {
        commonTlsContext: meshTlsContext(serverAlpn(serves), sans),
        requireClientCertificate: true,
        // Nobody would come back with a ticket.
        ...(mesh.tlsResumption
          ? {}
          : { sessionTicketKeysType: { case: 'disableStatelessSessionResumption' as const, value: true } }),
      }),
    },
  });
}

export interface MeshClientTls {
  readonly hostname: string;
  readonly port: number;
  readonly subset: string;
  readonly speaks: SpokenHttp | 'tcp';
  /** Exact SPIFFE ids of those who may answer, sorted. */
  readonly identities: readonly string[];
  /** Whether a later connection may go on from an earlier one's handshake. */
  readonly resumes: boolean;
}

// No certificate of a mesh can carry this name: with no identity known, nobody may answer.
const NOBODY = 'spiffe://invalid/nobody';

/** A client's side of mutual TLS: the service's own name as SNI, and only its accounts may answer (secure naming). */
export function meshClientTls(tls: MeshClientTls): TransportSocket {
  const identities = tls.identities.length === 0 ? [NOBODY] : tls.identities;
  return create(TransportSocketSchema, {
    name: 'envoy.transport_sockets.tls',
    configType: {
      case: 'typedConfig',
      value: pack(UpstreamTlsContextSchema, {
        commonTlsContext: meshTlsContext(
          meshAlpn(tls.speaks),
          identities.map((identity) =>
            identity.startsWith('spiffe://') ? uriSan('exact', identity) : dnsSan(identity),
          ),
        ),
        sni: sniName(tls.port, tls.hostname, tls.subset),
        ...(tls.resumes ? {} : { maxSessionKeys: 0 }),
      }),
    },
  });
}

export const rawBuffer = (): TransportSocket =>
  create(TransportSocketSchema, {
    name: 'envoy.transport_sockets.raw_buffer',
    configType: { case: 'typedConfig', value: pack(RawBufferSchema) },
  });

/** TLS that a DestinationRule asks for (SIMPLE, MUTUAL): verified against the given CA file or the system's roots unless told not to. */
export function originateTls(tls: ClientTls, subjectAltNames: readonly string[], protocol: Protocol): TransportSocket {
  const sans =
    tls.subjectAltNames !== undefined && tls.subjectAltNames.length > 0 ? tls.subjectAltNames : subjectAltNames;
  const matchTypedSubjectAltNames = sans.map((san) => (san.includes('://') ? uriSan('exact', san) : dnsSan(san)));
  const roots =
    tls.caCertificates !== undefined && tls.caCertificates !== '' && tls.caCertificates !== 'system'
      ? { trustedCa: { specifier: { case: 'filename' as const, value: tls.caCertificates } } }
      : { systemRootCerts: {} };
  const skip = tls.insecureSkipVerify === true;
  return create(TransportSocketSchema, {
    name: 'envoy.transport_sockets.tls',
    configType: {
      case: 'typedConfig',
      value: pack(UpstreamTlsContextSchema, {
        sni: tls.sni ?? '',
        commonTlsContext: {
          tlsParams: tlsParams(),
          alpnProtocols: isHttp2(protocol) ? ['h2'] : isHttp(protocol) ? ['http/1.1'] : [],
          ...(tls.mode === 'MUTUAL'
            ? {
                tlsCertificates: [
                  {
                    certificateChain: { specifier: { case: 'filename' as const, value: tls.clientCertificate ?? '' } },
                    privateKey: { specifier: { case: 'filename' as const, value: tls.privateKey ?? '' } },
                  },
                ],
              }
            : {}),
          ...(skip
            ? {}
            : {
                validationContextType: {
                  case: 'validationContext' as const,
                  value: {
                    ...roots,
                    matchTypedSubjectAltNames,
                    ...(tls.caCrl === undefined || tls.caCrl === ''
                      ? {}
                      : { crl: { specifier: { case: 'filename' as const, value: tls.caCrl } } }),
                  },
                },
              }),
        },
      }),
    },
  });
}
