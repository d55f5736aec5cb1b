/** The table of configuration kinds: what is served, and what is known by name only. */
import type { Static, TSchema } from 'typebox';
import { AuthorizationPolicySpec } from './authorization-policy.ts';
import { DestinationRuleSpec } from './destination-rule.ts';
import { GatewaySpec } from './gateway.ts';
import { HealthCheckPolicySpec } from './health-check-policy.ts';
import { ListenerLimitsSpec } from './listener-limits.ts';
import { LocalRateLimitSpec } from './local-rate-limit.ts';
import { AttributeManifestSpec, HandlerSpec, InstanceSpec, LEGACY_MIXER, RuleSpec } from './mixer.ts';
import { MeshConfigSpec } from './mesh-config.ts';
import { PeerAuthenticationSpec } from './peer-authentication.ts';
import { ProxyConfigSpec } from './proxy-config.ts';
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
  ProxyConfig: {
    group: 'networking.istio.io',
    versions: ['v1beta1'],
    namespaced: true,
    plural: 'proxyconfigs',
    shortNames: [],
    spec: ProxyConfigSpec,
  },
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
  LocalRateLimit: {
    group: 'weft.dev',
    versions: ['v1'],
    namespaced: true,
    plural: 'localratelimits',
    shortNames: ['lrl'],
    spec: LocalRateLimitSpec,
  },
  HealthCheckPolicy: {
    group: 'weft.dev',
    versions: ['v1'],
    namespaced: true,
    plural: 'healthcheckpolicies',
    shortNames: ['hc'],
    spec: HealthCheckPolicySpec,
  },
  MeshConfig: {
    group: 'weft.dev',
    versions: ['v1'],
    namespaced: false,
    plural: 'meshconfigs',
    shortNames: ['mesh'],
    spec: MeshConfigSpec,
  },
  ListenerLimits: {
    group: 'weft.dev',
    versions: ['v1'],
    namespaced: true,
    plural: 'listenerlimits',
    shortNames: ['ll'],
    spec: ListenerLimitsSpec,
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

/** What to say of a kind that is known by name only. */
export interface UnsupportedKind {
  /** `refused`: leaving it out would change what happens to traffic. `skipped`: it is no matter of the mesh here. */
  readonly verdict: 'refused' | 'skipped';
  readonly message: string;
}

const refused = (message: string): UnsupportedKind => ({ verdict: 'refused', message });
const skipped = (message: string): UnsupportedKind => ({ verdict: 'skipped', message });

const KUBERNETES = 'It speaks of Kubernetes itself, which is not here.';
const RUN = 'Weft starts workloads by `weft run --service NAME --port PORT -- COMMAND`.';

/** Kinds known by name only. The key is `group/kind`; `*` stands for every other kind of a group. */
export const UNSUPPORTED_KINDS: Readonly<Record<string, UnsupportedKind>> = {
  'networking.istio.io/EnvoyFilter': refused('Patches of generated proxy configuration are not supported yet.'),
  'networking.istio.io/WorkloadGroup': refused('Workload groups are not supported yet; write WorkloadEntry objects.'),
  'extensions.istio.io/*': refused('Extensions of the proxy are not supported yet.'),
  'gateway.networking.k8s.io/*': refused(
    'The Kubernetes Gateway API is not supported yet; write Gateway and VirtualService of networking.istio.io/v1.',
  ),
  'config.istio.io/QuotaSpec': refused('Quotas are not enforced yet, so nothing would be limited.'),
  'config.istio.io/QuotaSpecBinding': refused('Quotas are not enforced yet, so nothing would be limited.'),
  'config.istio.io/HTTPAPISpec': refused('API specifications are not read yet.'),
  'config.istio.io/HTTPAPISpecBinding': refused('API specifications are not read yet.'),
  'config.istio.io/adapter': refused('Adapters in a process of their own are not called yet.'),
  'config.istio.io/template': refused('Templates of out-of-process adapters are not read yet.'),
  'config.istio.io/*': refused('This adapter or template is not built in yet; prometheus, stdio and denier are.'),
  'authentication.istio.io/*': refused('The first authentication API is not served; write PeerAuthentication.'),
  'rbac.istio.io/*': refused('The first RBAC API is not served; write AuthorizationPolicy.'),
  'networking.k8s.io/NetworkPolicy': refused('Network policies are not enforced here; write AuthorizationPolicy.'),
  'networking.k8s.io/*': refused('Ingress objects are not supported yet; write Gateway and VirtualService.'),
  'install.istio.io/*': skipped('Installation profiles belong to istioctl.'),
  'apps/*': skipped(RUN),
  'batch/*': skipped(RUN),
  '/Pod': skipped(RUN),
  'autoscaling/*': skipped(KUBERNETES),
  'policy/*': skipped(KUBERNETES),
  'rbac.authorization.k8s.io/*': skipped(KUBERNETES),
  'apiextensions.k8s.io/*': skipped('Kinds are built in here.'),
  'kustomize.config.k8s.io/*': refused('Apply what `kustomize build` makes of it.'),
  '/ServiceAccount': skipped('Service accounts need no object here.'),
  '/Secret': refused('Secrets are not read yet.'),
  '/ConfigMap': skipped('Of ConfigMaps only the one named istio with data.mesh is read.'),
};
