/**
 * What the console API answers, once: the types of console and CLI (console-views.ts), the serializers of the server (which
 * write only what stands here) and the published OpenAPI document all come from these schemas. Times are epoch
 * milliseconds unless they say otherwise; rates are per second; percentages are 0–100.
 */
import { type Static, type TSchema, Type } from 'typebox';

const choice = <const T extends readonly string[]>(values: T, description?: string) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: [...values], ...(description ? { description } : {}) });
const text = (description: string) => Type.String({ description });
const num = (description: string) => Type.Number({ description });
const optional = <T extends TSchema>(schema: T) => Type.Optional(schema);

export const HEALTH_STATUSES = ['failure', 'degraded', 'not-ready', 'healthy', 'unknown'] as const;

export const HealthReasonSchema = Type.Object({
  code: text('Stable, for example `error-rate` or `proxy-rejected`.'),
  severity: choice([...HEALTH_STATUSES, 'info'] as const),
  message: text('One sentence with the number and the threshold.'),
  value: optional(num('What was measured.')),
  threshold: optional(num('The limit it was held against.')),
  direction: optional(choice(['inbound', 'outbound'] as const)),
});

export const HealthSchema = Type.Object({
  status: choice(HEALTH_STATUSES, 'The worst of the reasons; `unknown` when nothing is known yet.'),
  why: text('One sentence: the worst reason.'),
  reasons: Type.Array(HealthReasonSchema),
});

export const LatencySchema = Type.Object({
  p50: num('Milliseconds.'),
  p95: num('Milliseconds.'),
  p99: num('Milliseconds.'),
});

export const TrafficSchema = Type.Object({
  requestsPerSecond: num('Over the window.'),
  requests: num('How many in the window.'),
  errorPercent: num('Share of requests that ended with 5xx, a gRPC error, or no answer.'),
  latencyMs: optional(LatencySchema),
  bytesPerSecond: optional(num('TCP only: both directions.')),
});

export const CodeCountSchema = Type.Object({
  code: text('HTTP status, or `-` when there was no answer.'),
  flag: text("Envoy's response flags, `-` for none."),
  grpcStatus: optional(Type.String()),
  requestsPerSecond: Type.Number(),
});

export const GRAPH_NODE_KINDS = ['workload', 'gateway', 'service', 'external', 'unknown'] as const;
export const MTLS_STATES = ['mutual', 'mixed', 'plaintext', 'unknown'] as const;

export const GraphNodeSchema = Type.Object({
  id: text('Stable while the object lives: `workload/default/reviews-v1`.'),
  kind: choice(GRAPH_NODE_KINDS),
  namespace: Type.String(),
  name: Type.String(),
  service: optional(text('The service it belongs to, in the same namespace.')),
  version: optional(Type.String()),
  idle: Type.Boolean({ description: 'No request in the window.' }),
  health: HealthSchema,
  inbound: TrafficSchema,
  outbound: TrafficSchema,
});

export const GraphEdgeSchema = Type.Object({
  id: Type.String(),
  source: text('Id of a node.'),
  target: text('Id of a node.'),
  protocol: choice(['http', 'grpc', 'tcp'] as const),
  service: optional(text('Hostname that was called.')),
  traffic: TrafficSchema,
  mtls: choice(MTLS_STATES),
  mtlsPercent: Type.Number(),
  sourcePrincipal: optional(Type.String()),
  destinationPrincipal: optional(Type.String()),
  codes: Type.Array(CodeCountSchema),
  health: HealthSchema,
});

export const GraphSchema = Type.Object({
  generatedAt: Type.Number(),
  windowMs: Type.Number(),
  nodes: Type.Array(GraphNodeSchema),
  edges: Type.Array(GraphEdgeSchema),
  hidden: Type.Object(
    { nodes: Type.Number(), edges: Type.Number() },
    { description: 'What was left out to stay readable.' },
  ),
});

/** Who calls, or is called, as a row of a details page. */
export const PeerSchema = Type.Object({
  id: Type.String(),
  kind: choice(GRAPH_NODE_KINDS),
  namespace: Type.String(),
  name: Type.String(),
  version: optional(Type.String()),
  protocol: choice(['http', 'grpc', 'tcp'] as const),
  traffic: TrafficSchema,
  mtls: choice(MTLS_STATES),
  health: HealthSchema,
});

export const ConfigRefSchema = Type.Object({
  group: Type.String(),
  kind: Type.String(),
  namespace: Type.String(),
  name: Type.String(),
});

const page = <T extends TSchema>(item: T) =>
  Type.Object({
    items: Type.Array(item),
    total: num('Before paging.'),
    offset: Type.Number(),
    limit: Type.Number(),
  });

export const ServicePortSchema = Type.Object({
  name: Type.String(),
  port: Type.Number(),
  protocol: Type.String(),
});

const serviceSummary = {
  namespace: Type.String(),
  name: Type.String(),
  hostname: Type.String(),
  ports: Type.Array(ServicePortSchema),
  versions: Type.Array(Type.String()),
  endpoints: Type.Object({ ready: Type.Number(), total: Type.Number() }),
  health: HealthSchema,
  traffic: TrafficSchema,
  trend: Type.Array(Type.Number(), {
    description: 'Requests per second, oldest first, evenly spaced over the window.',
  }),
};
export const ServiceSummarySchema = Type.Object(serviceSummary);
export const ServicePageSchema = page(ServiceSummarySchema);

export const EndpointSchema = Type.Object({
  workload: Type.String(),
  namespace: Type.String(),
  version: optional(Type.String()),
  address: Type.String(),
  port: Type.Number(),
  state: choice(['starting', 'healthy', 'unhealthy', 'draining'] as const),
  traffic: TrafficSchema,
});

export const ServiceDetailsSchema = Type.Object({
  ...serviceSummary,
  endpointList: Type.Array(EndpointSchema),
  callers: Type.Array(PeerSchema),
  codes: Type.Array(CodeCountSchema),
  config: Type.Array(ConfigRefSchema, { description: 'Configuration that names this service.' }),
});

export const SYNC_STATES = ['synced', 'stale', 'not-sent', 'rejected'] as const;
export const ProxyTypeSyncSchema = Type.Object({
  type: text('`CDS`, `EDS`, `LDS`, `RDS`, …'),
  state: choice(SYNC_STATES),
  version: optional(Type.String()),
  resources: optional(Type.Number()),
  sinceMs: optional(num('When it came into this state.')),
  rejection: optional(
    Type.Object({
      message: Type.String(),
      at: Type.Number(),
      config: optional(Type.Array(ConfigRefSchema, { description: 'The objects that made the refused resource.' })),
    }),
  ),
});

export const ProxySchema = Type.Object({
  id: text('The node id.'),
  namespace: Type.String(),
  name: Type.String(),
  kind: choice(['sidecar', 'gateway'] as const),
  version: optional(Type.String()),
  connected: Type.Boolean(),
  connectedAt: optional(Type.Number()),
  adminAddress: optional(Type.String()),
  sync: Type.Array(ProxyTypeSyncSchema),
  health: HealthSchema,
});
export const ProxyPageSchema = page(ProxySchema);

export const CertificateSchema = Type.Object({
  subject: text('The SPIFFE id, or the name of the authority.'),
  namespace: optional(Type.String()),
  workload: optional(Type.String()),
  serial: Type.String(),
  issuer: Type.String(),
  fingerprint: text('SHA-256 of the certificate, hexadecimal.'),
  notBefore: Type.Number(),
  notAfter: Type.Number(),
  lifeUsedPercent: Type.Number(),
  renewedAt: optional(Type.Number()),
  renewalFailures: optional(Type.Number()),
  state: choice(['valid', 'ending', 'expired'] as const),
});

export const CertificatesSchema = Type.Object({
  trustDomain: Type.String(),
  roots: Type.Array(CertificateSchema),
  intermediates: Type.Array(CertificateSchema),
  workloads: Type.Array(CertificateSchema),
});

const workloadSummary = {
  namespace: Type.String(),
  name: Type.String(),
  kind: choice(['sidecar', 'gateway'] as const),
  service: optional(Type.String()),
  version: optional(Type.String()),
  serviceAccount: Type.String(),
  address: Type.String(),
  state: choice(['starting', 'healthy', 'unhealthy', 'draining'] as const, 'What the registry says of the process.'),
  startedAt: Type.Number(),
  health: HealthSchema,
  inbound: TrafficSchema,
  outbound: TrafficSchema,
  proxy: choice([...SYNC_STATES, 'disconnected'] as const, 'The worst of its types.'),
  trend: Type.Array(Type.Number(), { description: 'Requests per second in, oldest first.' }),
};
export const WorkloadSummarySchema = Type.Object(workloadSummary);
export const WorkloadPageSchema = page(WorkloadSummarySchema);

export const WorkloadDetailsSchema = Type.Object({
  ...workloadSummary,
  labels: Type.Record(Type.String(), Type.String()),
  ports: Type.Array(
    Type.Object({
      name: Type.String(),
      servicePort: Type.Number(),
      meshPort: Type.Number(),
      appAddress: Type.String(),
      appPort: Type.Number(),
    }),
  ),
  callers: Type.Array(PeerSchema),
  callees: Type.Array(PeerSchema),
  codes: Type.Array(CodeCountSchema),
  proxyDetails: optional(ProxySchema),
  certificate: optional(CertificateSchema),
  config: Type.Array(ConfigRefSchema),
});

export const DiagnosticSchema = Type.Object({
  severity: choice(['error', 'warning', 'info'] as const),
  code: Type.String(),
  message: Type.String(),
  field: optional(text('Path inside the object: `spec.http[0].route`.')),
  file: optional(text('Relative to the configuration directory.')),
  line: optional(Type.Number()),
  column: optional(Type.Number()),
  hint: optional(text('What to do.')),
  yamlLine: optional(num('Line of the shown YAML, from 1; the file may be laid out differently.')),
  object: optional(ConfigRefSchema),
});

export const ConfigSummarySchema = Type.Object({
  group: Type.String(),
  version: Type.String(),
  kind: Type.String(),
  namespace: Type.String(),
  name: Type.String(),
  validity: choice(['valid', 'warning', 'error'] as const),
  findings: Type.Number(),
  file: optional(Type.String()),
  line: optional(Type.Number()),
  changedAt: optional(Type.Number()),
});
export const ConfigFileSchema = Type.Object({
  file: Type.String(),
  state: choice(['accepted', 'rejected'] as const, 'A rejected file keeps its last good objects.'),
  diagnostics: Type.Array(DiagnosticSchema),
});
export const ConfigListSchema = Type.Object({
  ...page(ConfigSummarySchema).properties,
  files: Type.Array(ConfigFileSchema, { description: 'Files with something to say.' }),
});
export const ConfigDocumentSchema = Type.Object({
  ...ConfigSummarySchema.properties,
  yaml: Type.String(),
  diagnostics: Type.Array(DiagnosticSchema),
});
export const ConfigChangeSchema = Type.Object({
  ...ConfigRefSchema.properties,
  action: choice(['created', 'configured', 'unchanged', 'deleted'] as const),
});
const ProxyNameSchema = { namespace: Type.String(), name: text("The workload's name.") };
export const ConfigReceiptSchema = Type.Object({
  complete: Type.Boolean({ description: 'Every connected proxy that the change concerns has taken it.' }),
  version: optional(num('Version of the snapshot that holds the change; absent when none was built in time.')),
  acknowledged: num('Proxies that the change concerns and that took all of it.'),
  waiting: Type.Array(
    Type.Object({ ...ProxyNameSchema, types: Type.Array(Type.String(), { description: 'CDS, EDS, LDS, RDS.' }) }),
  ),
  refused: Type.Array(
    Type.Object({
      ...ProxyNameSchema,
      type: text('CDS, EDS, LDS or RDS.'),
      resource: text('Empty when the proxy named none.'),
      reason: text("The proxy's own words."),
    }),
  ),
});
export const ConfigApplyResultSchema = Type.Object({
  dryRun: Type.Boolean(),
  changes: Type.Array(ConfigChangeSchema),
  diagnostics: Type.Array(DiagnosticSchema),
  since: optional(num('What to ask for the receipt with; 0 when nothing changed.')),
  receipt: optional(ConfigReceiptSchema),
});
export const ConfigValidationSchema = Type.Object({
  valid: Type.Boolean(),
  objects: Type.Array(ConfigRefSchema),
  diagnostics: Type.Array(DiagnosticSchema),
});

export const TraceSummarySchema = Type.Object({
  traceId: Type.String(),
  startedAt: Type.Number(),
  durationMs: Type.Number(),
  rootService: Type.String(),
  rootOperation: Type.String(),
  spans: Type.Number(),
  services: Type.Array(Type.String()),
  errors: num('Spans that failed.'),
});
export const TracePageSchema = page(TraceSummarySchema);
export const SpanSchema = Type.Object({
  spanId: Type.String(),
  parentId: optional(Type.String()),
  name: Type.String(),
  kind: choice(['client', 'server', 'internal'] as const),
  service: Type.String(),
  namespace: optional(Type.String()),
  workload: optional(Type.String()),
  startedAt: num('Epoch milliseconds, with fractions.'),
  durationMs: Type.Number(),
  error: Type.Boolean(),
  attributes: Type.Array(Type.Object({ key: Type.String(), value: Type.String() })),
});
export const TraceSchema = Type.Object({
  traceId: Type.String(),
  startedAt: Type.Number(),
  durationMs: Type.Number(),
  services: Type.Array(Type.String()),
  spans: Type.Array(SpanSchema, { description: 'Parents before children, by start.' }),
});

export const LogEntrySchema = Type.Object({
  at: Type.Number(),
  namespace: Type.String(),
  workload: Type.String(),
  direction: choice(['inbound', 'outbound'] as const),
  protocol: Type.String(),
  method: optional(Type.String()),
  authority: optional(Type.String()),
  path: optional(Type.String()),
  status: Type.Number(),
  flag: Type.String(),
  reason: optional(Type.String()),
  durationMs: Type.Number(),
  bytesReceived: optional(Type.Number()),
  bytesSent: optional(Type.Number()),
  peer: optional(text('Who called, or who was called.')),
  upstreamCluster: optional(Type.String()),
  traceId: optional(Type.String()),
  requestId: optional(Type.String()),
});
export const LogPageSchema = Type.Object({
  items: Type.Array(LogEntrySchema),
  truncated: Type.Boolean({ description: 'Older entries match too.' }),
});

export const METRIC_NAMES = ['requests', 'errors', 'latency'] as const;
export const SeriesSchema = Type.Object({
  name: Type.String(),
  points: Type.Array(Type.Number(), { description: 'One value a step; with no traffic, 0.' }),
});
export const MetricsSchema = Type.Object({
  fromMs: Type.Number(),
  stepMs: Type.Number(),
  charts: Type.Array(
    Type.Object({
      metric: choice(METRIC_NAMES),
      unit: choice(['rps', 'percent', 'ms'] as const),
      series: Type.Array(SeriesSchema),
    }),
  ),
});

export const AttentionSchema = Type.Object({
  severity: choice(HEALTH_STATUSES),
  message: Type.String(),
  object: Type.Object({
    kind: choice(['service', 'workload', 'proxy', 'certificate', 'config', 'edge'] as const),
    namespace: Type.String(),
    name: Type.String(),
    group: optional(Type.String()),
    configKind: optional(Type.String()),
  }),
});

export const MeshSchema = Type.Object({
  meshId: Type.String(),
  trustDomain: Type.String(),
  version: Type.String(),
  startedAt: Type.Number(),
  generatedAt: Type.Number(),
  windowMs: Type.Number(),
  interception: text('How calls reach the sidecars: `loopback`, `redirect`.'),
  health: HealthSchema,
  traffic: TrafficSchema,
  mtlsPercent: optional(num('Share of requests inside the mesh under mutual TLS; absent without traffic.')),
  counts: Type.Object({
    services: Type.Number(),
    workloads: Type.Number(),
    proxies: Type.Number(),
    proxiesSynced: Type.Number(),
    config: Type.Number(),
    configErrors: Type.Number(),
    configWarnings: Type.Number(),
  }),
  ports: Type.Array(
    Type.Object({
      name: Type.String(),
      address: Type.String(),
      port: Type.Number(),
      owner: Type.String(),
      authentication: Type.String(),
    }),
  ),
  open: Type.Array(Type.Object({ name: Type.String(), url: Type.String(), description: Type.String() })),
  attention: Type.Array(AttentionSchema, { description: 'At most ten, worst first.' }),
});

export const SessionSchema = Type.Object({
  writable: Type.Boolean(),
  reason: optional(text('Why this browser may not write, and what to do.')),
  expiresAt: optional(Type.Number()),
});
export const SessionLinkSchema = Type.Object({
  path: text('Append to the address of the console. Works once.'),
  expiresAt: Type.Number(),
});

export const ErrorSchema = Type.Object({
  error: Type.Object({
    code: Type.String(),
    message: Type.String(),
    cause: optional(Type.String()),
    hint: optional(Type.String()),
    docs: optional(Type.String()),
    field: optional(Type.String()),
    file: optional(Type.String()),
    line: optional(Type.Number()),
    requestId: Type.String(),
    diagnostics: optional(Type.Array(DiagnosticSchema)),
  }),
});

/** The type of a schema, read-only all the way down. */
export type View<S extends TSchema> = DeepReadonly<Static<S>>;
type DeepReadonly<T> = T extends readonly (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
    : T;
