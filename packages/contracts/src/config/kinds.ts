/** The table of configuration kinds: what is served, and what is known by name only. */
import type { Static, TSchema } from 'typebox';
import { AuthorizationPolicySpec } from './authorization-policy.ts';
import { DestinationRuleSpec } from './destination-rule.ts';
import { GatewaySpec } from './gateway.ts';
import { AttributeManifestSpec, HandlerSpec, InstanceSpec, LEGACY_MIXER, RuleSpec } from './mixer.ts';
import { PeerAuthenticationSpec } from './peer-authentication.ts';
import { RequestAuthenticationSpec } from './request-authentication.ts';
import { ServiceEntrySpec } from './service-entry.ts';
import { NamespaceSpec, ServiceSpec } from './service.ts';
import { SidecarSpec } from './sidecar.ts';
import { TelemetrySpec } from './telemetry.ts';
import { VirtualServiceSpec } from './virtual-service.ts';
import { WorkloadEntrySpec } from './workload-entry.ts';

export interface KindInfo<Spec extends TSchema = TSchema> {
  /** Empty for Kubernetes’ core group. */
  readonly group: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  /** Served versions; the first is the one that emitters write. All have the same schema. */
  readonly versions: readonly string[];
  readonly namespaced: boolean;
  readonly spec: Spec;
}

const NETWORKING = { group: 'networking.istio.io', versions: ['v1', 'v1beta1', 'v1alpha3'], namespaced: true } as const;
const SECURITY = { group: 'security.istio.io', versions: ['v1', 'v1beta1'], namespaced: true } as const;
const MIXER = { group: 'config.istio.io', versions: ['v1alpha2'], namespaced: true, shortNames: [] } as const;

export const KINDS = {
  Gateway: { ...NETWORKING, plural: 'gateways', shortNames: ['gw'], spec: GatewaySpec },
  VirtualService: { ...NETWORKING, plural: 'virtualservices', shortNames: ['vs'], spec: VirtualServiceSpec },
  DestinationRule: { ...NETWORKING, plural: 'destinationrules', shortNames: ['dr'], spec: DestinationRuleSpec },
  ServiceEntry: { ...NETWORKING, plural: 'serviceentries', shortNames: ['se'], spec: ServiceEntrySpec },
  WorkloadEntry: { ...NETWORKING, plural: 'workloadentries', shortNames: ['we'], spec: WorkloadEntrySpec },
  Sidecar: { ...NETWORKING, plural: 'sidecars', shortNames: [], spec: SidecarSpec },
  PeerAuthentication: { ...SECURITY, plural: 'peerauthentications', shortNames: ['pa'], spec: PeerAuthenticationSpec },
  RequestAuthentication: {
    ...SECURITY,
    plural: 'requestauthentications',
    shortNames: ['ra'],
    spec: RequestAuthenticationSpec,
  },
  AuthorizationPolicy: {
    ...SECURITY,
    plural: 'authorizationpolicies',
    shortNames: ['ap'],
    spec: AuthorizationPolicySpec,
  },
  Telemetry: {
    group: 'telemetry.istio.io',
    versions: ['v1', 'v1alpha1'],
    namespaced: true,
    plural: 'telemetries',
    shortNames: ['telemetry'],
    spec: TelemetrySpec,
  },
  Service: {
    group: '',
    versions: ['v1'],
    namespaced: true,
    plural: 'services',
    shortNames: ['svc'],
    spec: ServiceSpec,
  },
  Namespace: {
    group: '',
    versions: ['v1'],
    namespaced: false,
    plural: 'namespaces',
    shortNames: ['ns'],
    spec: NamespaceSpec,
  },
  attributemanifest: { ...MIXER, plural: 'attributemanifests', spec: AttributeManifestSpec },
  handler: { ...MIXER, plural: 'handlers', spec: HandlerSpec },
  instance: { ...MIXER, plural: 'instances', spec: InstanceSpec },
  rule: { ...MIXER, plural: 'rules', spec: RuleSpec },
  prometheus: { ...MIXER, plural: 'prometheuses', spec: LEGACY_MIXER.prometheus.spec },
  stdio: { ...MIXER, plural: 'stdios', spec: LEGACY_MIXER.stdio.spec },
  denier: { ...MIXER, plural: 'deniers', spec: LEGACY_MIXER.denier.spec },
  metric: { ...MIXER, plural: 'metrics', spec: LEGACY_MIXER.metric.spec },
  logentry: { ...MIXER, plural: 'logentries', spec: LEGACY_MIXER.logentry.spec },
  checknothing: { ...MIXER, plural: 'checknothings', spec: LEGACY_MIXER.checknothing.spec },
  reportnothing: { ...MIXER, plural: 'reportnothings', spec: LEGACY_MIXER.reportnothing.spec },
} as const satisfies Readonly<Record<string, KindInfo>>;

export type KindName = keyof typeof KINDS;
export type SpecOf<Kind extends KindName> = Static<(typeof KINDS)[Kind]['spec']>;

export const KIND_NAMES = Object.keys(KINDS) as readonly KindName[];

export const isKindName = (word: string): word is KindName => Object.hasOwn(KINDS, word);

/** The same table with its entries widened, for code that treats all kinds alike. */
export const kindInfo = (kind: KindName): KindInfo => KINDS[kind];

/** `networking.istio.io/v1`; `v1` for the core group. */
export const apiVersionOf = (kind: KindName): string => {
  const { group, versions } = kindInfo(kind);
  const version = versions[0] ?? 'v1';
  return group === '' ? version : `${group}/${version}`;
};

/** Finds a kind by what a user types: kind, plural or short name, any case (`vs`, `virtualservices`, `VirtualService`). */
export function kindByAlias(word: string): KindName | undefined {
  const lower = word.toLowerCase();
  return KIND_NAMES.find((kind) => {
    const info = kindInfo(kind);
    return kind.toLowerCase() === lower || info.plural === lower || info.shortNames.includes(lower);
  });
}

/** Kinds that are refused by name, with what to say. The key is `group/kind`; `*` stands for every kind of a group. */
export const UNSUPPORTED_KINDS: Readonly<Record<string, string>> = {
  'networking.istio.io/EnvoyFilter': 'Patches of generated proxy configuration are not supported yet.',
  'networking.istio.io/ProxyConfig': 'Settings of single proxies are not supported yet.',
  'networking.istio.io/WorkloadGroup': 'Workload groups are not supported yet; write WorkloadEntry objects.',
  'extensions.istio.io/*': 'Extensions of the proxy are not supported yet.',
  'gateway.networking.k8s.io/*':
    'The Kubernetes Gateway API is not supported yet; write networking.istio.io Gateway and VirtualService objects.',
  'config.istio.io/QuotaSpec': 'Quotas are not enforced yet, so nothing would be limited.',
  'config.istio.io/QuotaSpecBinding': 'Quotas are not enforced yet, so nothing would be limited.',
  'config.istio.io/HTTPAPISpec': 'API specifications are not read yet.',
  'config.istio.io/HTTPAPISpecBinding': 'API specifications are not read yet.',
  'config.istio.io/adapter': 'Adapters in a process of their own are not called yet.',
  'config.istio.io/template': 'Templates of out-of-process adapters are not read yet.',
  'config.istio.io/*': 'This adapter or template is not built in; prometheus, stdio and denier are.',
  'authentication.istio.io/*': 'The first authentication API was replaced; write PeerAuthentication.',
  'rbac.istio.io/*': 'The first RBAC API was replaced; write AuthorizationPolicy.',
  'install.istio.io/*': 'Installation profiles belong to istioctl.',
  'apps/*': 'Weft starts workloads by `weft run --service NAME --port PORT -- COMMAND`, not from a Deployment.',
  'batch/*': 'Weft starts workloads by `weft run`, not from a Job.',
  '/Pod': 'Weft starts workloads by `weft run --service NAME --port PORT -- COMMAND`, not from a Pod.',
  '/ServiceAccount': 'Service accounts need no object: `weft run --service-account NAME` names one.',
  '/Secret': 'Secrets are not read yet.',
  '/ConfigMap': 'ConfigMaps are not read yet.',
};
