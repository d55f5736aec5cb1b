import type { Static } from 'typebox';
import { anyObject, bool, choice, duration, int32, list, message, opt, text, uint32, type FieldMeta } from './meta.ts';

const later = (reason = 'is not read yet'): FieldMeta => ({ effect: 'not-yet', reason });
const ofStart = (flag: string): FieldMeta => ({
  effect: 'not-yet',
  reason: 'is decided when the mesh starts',
  mend: `Start the control plane with ${flag}.`,
});
const anyList = (meta: FieldMeta) => list(anyObject(), meta);
const restricts = (mend: string): FieldMeta => ({ effect: 'refused', reason: 'is not enforced yet', mend });

/** What stands in front of gateways. */
const gatewayTopology = message({
  /** Addresses in X-Forwarded-For, from the right, that are proxies in front of the gateway. */
  numTrustedProxies: opt(uint32({ max: 100, default: 0, since: '1.8' })),
  forwardClientCertDetails: opt(
    choice(['UNDEFINED', 'SANITIZE', 'FORWARD_ONLY', 'APPEND_FORWARD', 'SANITIZE_SET', 'ALWAYS_FORWARD_ONLY'], {
      default: 'SANITIZE_SET',
      since: '1.8',
    }),
  ),
  /** Connections to gateways begin with the header of the PROXY protocol; others are not served. */
  proxyProtocol: opt(message({}, { since: '1.17' })),
});

const proxyConfig = message({
  gatewayTopology: opt(gatewayTopology),
  /** Threads that carry a proxy’s traffic; 0 = one per core. */
  concurrency: opt(int32({ min: 0 })),
  configPath: opt(text(later())),
  binaryPath: opt(text(later())),
  serviceCluster: opt(text(later())),
  tracingServiceName: opt(text(later())),
  drainDuration: opt(duration(later('is given to each proxy when it starts'))),
  terminationDrainDuration: opt(duration(later('is given to each proxy when it starts'))),
  discoveryAddress: opt(text(later())),
  zipkinAddress: opt(text(later())),
  statsdUdpAddress: opt(text(later())),
  statsdAddress: opt(text(later())),
  proxyAdminPort: opt(int32(later())),
  controlPlaneAuthPolicy: opt(text(later())),
  customConfigFile: opt(text(later())),
  statNameLength: opt(int32(later())),
  proxyBootstrapTemplatePath: opt(text(later())),
  interceptionMode: opt(text(later('follows from how workloads are started'))),
  tracing: opt(anyObject(later())),
  sds: opt(anyObject(later())),
  envoyAccessLogService: opt(anyObject(later())),
  envoyMetricsService: opt(anyObject(later())),
  proxyMetadata: opt(anyObject(later())),
  runtimeValues: opt(anyObject(later())),
  statusPort: opt(int32(later())),
  extraStatTags: opt(list(text(), later())),
  meshId: opt(text(later())),
  readinessProbe: opt(anyObject(later())),
  proxyStatsMatcher: opt(anyObject(later())),
  image: opt(anyObject(later())),
  privateKeyProvider: opt(anyObject(later())),
  caCertificatesPem: opt(list(text(), later())),
  holdApplicationUntilProxyStarts: opt(bool(later('holds always: applications start when their sidecar is ready'))),
  proxyHeaders: opt(anyObject(later())),
  fileFlushInterval: opt(text(later())),
  fileFlushMinSizeKb: opt(uint32(later())),
  statsCompression: opt(bool(later())),
});

export const MeshConfigSpec = message(
  {
    /** Where proxies write access logs, for example `/dev/stdout`; empty turns them off. */
    accessLogFile: opt(text()),
    accessLogEncoding: opt(choice(['TEXT', 'JSON'], { default: 'TEXT' })),
    /** Envoy’s operators, in a line or in a JSON object; empty takes Istio’s. */
    accessLogFormat: opt(text({ maxLength: 16_384 })),
    connectTimeout: opt(duration({ default: '10s' })),
    outboundTrafficPolicy: opt(
      message({ mode: opt(choice(['REGISTRY_ONLY', 'ALLOW_ANY'], { default: 'ALLOW_ANY' })) }),
    ),
    defaultConfig: opt(proxyConfig),
    trustDomain: opt(text(ofStart('--trust-domain'))),
    trustDomainAliases: opt(list(text(), later())),
    rootNamespace: opt(text(ofStart('--root-namespace'))),
    enableTracing: opt(bool(later())),
    enableAutoMtls: opt(bool(later())),
    pathNormalization: opt(anyObject(ofStart('--path-normalization'))),
    proxyListenPort: opt(int32(later())),
    proxyInboundListenPort: opt(int32(later())),
    proxyHttpPort: opt(int32(later())),
    tcpKeepalive: opt(anyObject(later())),
    ingressClass: opt(text(later())),
    ingressService: opt(text(later())),
    ingressControllerMode: opt(text(later())),
    ingressSelector: opt(text(later())),
    enableEnvoyAccessLogService: opt(bool(later())),
    disableEnvoyListenerLog: opt(bool(later())),
    inboundTrafficPolicy: opt(anyObject(later())),
    configSources: opt(anyList(later())),
    caCertificates: opt(anyList(later('adds no roots yet'))),
    defaultServiceExportTo: opt(list(text(), later())),
    defaultVirtualServiceExportTo: opt(list(text(), later())),
    defaultDestinationRuleExportTo: opt(list(text(), later())),
    localityLbSetting: opt(anyObject(later())),
    dnsRefreshRate: opt(text(later())),
    h2UpgradePolicy: opt(text(later())),
    inboundClusterStatName: opt(text(later())),
    outboundClusterStatName: opt(text(later())),
    certificates: opt(anyList(later())),
    thriftConfig: opt(anyObject(later())),
    serviceSettings: opt(anyList(later())),
    enablePrometheusMerge: opt(bool(later())),
    verifyCertificateAtClient: opt(bool(later('holds always: certificates of servers are verified'))),
    ca: opt(anyObject(later())),
    extensionProviders: opt(anyList(later())),
    defaultProviders: opt(anyObject(later())),
    discoverySelectors: opt(anyList(restricts('Leave it out: every namespace is read.'))),
    defaultHttpRetryPolicy: opt(anyObject(later())),
    defaultTrafficPolicy: opt(anyObject(later())),
    meshMTLS: opt(anyObject(restricts('Leave it out: TLS 1.2 is the least there is.'))),
    tlsDefaults: opt(anyObject(restricts('Leave it out: TLS 1.2 is the least there is.'))),
    serviceScopeConfigs: opt(anyList(later())),
  },
  { test: 'OP-06' },
);

/** Settings of the whole mesh, in the shape of Istio’s MeshConfig. */
export type MeshConfigSpec = Static<typeof MeshConfigSpec>;
