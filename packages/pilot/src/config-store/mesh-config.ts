import type { ConfigObject } from '@weft/contracts/config';
import { compareAge, refOf, type Config } from './config-object.ts';
import type {
  AuthorizationPolicySpec,
  DestinationRuleSpec,
  GatewaySpec,
  HealthCheckPolicySpec,
  MeshConfigSpec,
  ListenerLimitsSpec,
  LocalRateLimitSpec,
  ServiceSpec,
  PeerAuthenticationSpec,
  ProxyConfigSpec,
  ServiceEntrySpec,
  SidecarSpec,
  TelemetrySpec,
  VirtualServiceSpec,
  WorkloadEntrySpec,
} from './kinds.ts';

/** All user configuration by kind, each list oldest first, so that "the older wins" is "the first wins". */
export interface MeshConfig {
  readonly virtualServices: readonly Config<VirtualServiceSpec>[];
  readonly destinationRules: readonly Config<DestinationRuleSpec>[];
  readonly gateways: readonly Config<GatewaySpec>[];
  readonly serviceEntries: readonly Config<ServiceEntrySpec>[];
  readonly workloadEntries: readonly Config<WorkloadEntrySpec>[];
  readonly sidecars: readonly Config<SidecarSpec>[];
  readonly peerAuthentications: readonly Config<PeerAuthenticationSpec>[];
  readonly authorizationPolicies: readonly Config<AuthorizationPolicySpec>[];
  readonly telemetries: readonly Config<TelemetrySpec>[];
  readonly localRateLimits: readonly Config<LocalRateLimitSpec>[];
  readonly healthCheckPolicies: readonly Config<HealthCheckPolicySpec>[];
  readonly listenerLimits: readonly Config<ListenerLimitsSpec>[];
  /** For the parent of proxies; generators read none of it. */
  readonly proxyConfigs: readonly Config<ProxyConfigSpec>[];
  readonly services: readonly Config<ServiceSpec>[];
  /** Settings of the mesh; the first one counts. */
  readonly settings: readonly Config<MeshConfigSpec>[];
  /** Mixer's; their specs are read where they are judged. */
  readonly mixerRules: readonly Config<unknown>[];
  readonly mixerHandlers: readonly Config<unknown>[];
  readonly mixerInstances: readonly Config<unknown>[];
}

/** Kinds that the generators read, or that are judged beside them; a change of any other kind changes nothing here. */
export const READ_KINDS: ReadonlySet<string> = new Set([
  'VirtualService',
  'DestinationRule',
  'Gateway',
  'ServiceEntry',
  'WorkloadEntry',
  'Sidecar',
  'PeerAuthentication',
  'AuthorizationPolicy',
  'LocalRateLimit',
  'HealthCheckPolicy',
  'ListenerLimits',
  'Telemetry',
  'ProxyConfig',
  'Service',
  'MeshConfig',
  'rule',
  'handler',
  'denier',
  'instance',
  'checknothing',
  'metric',
  'logentry',
]);

export function buildMeshConfig(objects: readonly ConfigObject[]): MeshConfig {
  const byKind = new Map<string, ConfigObject[]>();
  for (const object of objects) {
    const list = byKind.get(kindKey(object));
    if (list) list.push(object);
    else byKind.set(kindKey(object), [object]);
  }
  // The store validated each spec against the schema of its kind: this is the one place where that becomes a type.
  const of = <Spec>(key: string): readonly Config<Spec>[] =>
    (byKind.get(key) ?? []).map((object) => toConfig(object) as Config<Spec>).sort(compareAge);
  return {
    virtualServices: of('networking.istio.io/VirtualService'),
    destinationRules: of('networking.istio.io/DestinationRule'),
    gateways: of('networking.istio.io/Gateway'),
    serviceEntries: of('networking.istio.io/ServiceEntry'),
    workloadEntries: of('networking.istio.io/WorkloadEntry'),
    sidecars: of('networking.istio.io/Sidecar'),
    peerAuthentications: of('security.istio.io/PeerAuthentication'),
    authorizationPolicies: of('security.istio.io/AuthorizationPolicy'),
    telemetries: of('telemetry.istio.io/Telemetry'),
    localRateLimits: of('weft.dev/LocalRateLimit'),
    healthCheckPolicies: of('weft.dev/HealthCheckPolicy'),
    listenerLimits: of('weft.dev/ListenerLimits'),
    proxyConfigs: of('networking.istio.io/ProxyConfig'),
    services: of('/Service'),
    settings: of('weft.dev/MeshConfig'),
    mixerRules: of('config.istio.io/rule'),
    mixerHandlers: [...of('config.istio.io/handler'), ...of('config.istio.io/denier')],
    mixerInstances: ['instance', 'checknothing', 'metric', 'logentry'].flatMap((kind) => of(`config.istio.io/${kind}`)),
  };
}

/** Versions of one kind share one schema, so only the group tells kinds apart (Gateway is in two). */
function kindKey({ apiVersion, kind }: ConfigObject): string {
  const slash = apiVersion.indexOf('/');
  return `${slash < 0 ? '' : apiVersion.slice(0, slash)}/${kind}`;
}

function toConfig(object: ConfigObject): Config<unknown> {
  const { metadata } = object;
  const created = metadata.creationTimestamp === undefined ? Number.NaN : Date.parse(metadata.creationTimestamp);
  return {
    ref: refOf(object),
    namespace: metadata.namespace,
    name: metadata.name,
    labels: metadata.labels ?? {},
    annotations: metadata.annotations ?? {},
    createdAt: Number.isNaN(created) ? undefined : created,
    spec: object.spec ?? {},
  };
}
