import type { JsonObject } from '@bufbuild/protobuf';
import { DEFAULT_PATH_NORMALIZATION, DEFAULT_TRUST_DOMAIN, type PathNormalization } from '@weft/contracts';
import { WeftError } from '@weft/kit';

/** The part of Istio's MeshConfig that the control plane acts on. Durations are milliseconds. */
export interface MeshOptions {
  readonly trustDomain: string;
  readonly trustDomainAliases: readonly string[];
  /** Suffix of service names: `reviews.default.svc.<domainSuffix>`. */
  readonly domainSuffix: string;
  /** Objects in this namespace apply to the whole mesh. */
  readonly rootNamespace: string;
  readonly clusterId: string;
  readonly connectTimeoutMs: number;
  readonly enableAutoMtls: boolean;
  /** Whether sidecars resume sessions with each other; without, every connection costs a whole handshake. */
  readonly tlsResumption: boolean;
  readonly outboundTrafficPolicy: { readonly mode: 'ALLOW_ANY' | 'REGISTRY_ONLY' };
  /** Fields of an HTTPRetry without perTryTimeout; `attempts: 0` turns retries off. */
  readonly defaultHttpRetryPolicy: DefaultRetryPolicy;
  /** Empty turns access logs off. */
  readonly accessLogFile: string;
  /** Empty takes Istio's built-in format. JSON: an object of operators, written as JSON text. */
  readonly accessLogFormat: string;
  readonly accessLogEncoding: 'TEXT' | 'JSON';
  readonly enableTracing: boolean;
  /** 0–100, percent of requests without an incoming decision. */
  readonly tracingSampling: number;
  readonly defaultServiceExportTo: readonly string[];
  readonly defaultVirtualServiceExportTo: readonly string[];
  readonly defaultDestinationRuleExportTo: readonly string[];
  /** `server` header of inbound responses and gateways. */
  readonly serverName: string;
  /** What paths are made equal before anything is matched against them. */
  readonly pathNormalization: PathNormalization;
  readonly gatewayTopology: GatewayTopology;
  /** Threads that the machine of the proxies has room for in each; Infinity = not known. */
  readonly mostProxyThreads: number;
}

/** What stands in front of gateways. */
export interface GatewayTopology {
  /** Proxies that are trusted to have written X-Forwarded-For. */
  readonly numTrustedProxies: number;
  readonly forwardClientCertDetails: ForwardClientCert;
  /** Connections begin with a header of the PROXY protocol. */
  readonly proxyProtocol: boolean;
}

export type ForwardClientCert = 'SANITIZE' | 'FORWARD_ONLY' | 'APPEND_FORWARD' | 'SANITIZE_SET' | 'ALWAYS_FORWARD_ONLY';

export interface DefaultRetryPolicy {
  readonly attempts: number;
  readonly retryOn: string;
  readonly backoffMs?: number;
  readonly retryIgnorePreviousHosts: boolean;
}

/** Istio's defaults, and `weft-safe-reset`: a reset is retried only where no request can run twice. */
export const DEFAULT_RETRY_ON =
  'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes,weft-safe-reset';

export const DEFAULT_MESH_OPTIONS: MeshOptions = {
  trustDomain: DEFAULT_TRUST_DOMAIN,
  trustDomainAliases: [],
  domainSuffix: 'cluster.local',
  rootNamespace: 'istio-system',
  clusterId: 'weft',
  connectTimeoutMs: 10_000,
  enableAutoMtls: true,
  tlsResumption: true,
  outboundTrafficPolicy: { mode: 'ALLOW_ANY' },
  defaultHttpRetryPolicy: { attempts: 2, retryOn: DEFAULT_RETRY_ON, retryIgnorePreviousHosts: true },
  accessLogFile: '',
  accessLogFormat: '',
  accessLogEncoding: 'TEXT',
  enableTracing: true,
  tracingSampling: 100,
  defaultServiceExportTo: ['*'],
  defaultVirtualServiceExportTo: ['*'],
  defaultDestinationRuleExportTo: ['*'],
  serverName: 'istio-envoy',
  pathNormalization: DEFAULT_PATH_NORMALIZATION,
  gatewayTopology: { numTrustedProxies: 0, forwardClientCertDetails: 'SANITIZE_SET', proxyProtocol: false },
  mostProxyThreads: Number.POSITIVE_INFINITY,
};

export interface PushOptions {
  /** A change is pushed once nothing more changed for this long. */
  readonly quietMs: number;
  /** No change waits longer than this. */
  readonly maxMs: number;
  /** The same two for changes of endpoints only: a dead endpoint must be gone at once. */
  readonly endpointQuietMs: number;
  readonly endpointMaxMs: number;
}

export const DEFAULT_PUSH_OPTIONS: PushOptions = { quietMs: 100, maxMs: 10_000, endpointQuietMs: 5, endpointMaxMs: 50 };

/** The operators of a JSON access log by field; undefined for Istio's own and for text. @throws {WeftError} when the text is not a JSON object. */
export function parseAccessLogFormat(
  encoding: MeshOptions['accessLogEncoding'],
  format: string,
): JsonObject | undefined {
  if (encoding !== 'JSON' || format === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(format);
  } catch (error) {
    throw new WeftError('WEFT_OPTION', 'the access log format is not JSON, though the encoding is', { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new WeftError('WEFT_OPTION', 'the access log format is not a JSON object of field names and operators');
  }
  return value as JsonObject;
}
