/** The rule → instance → handler objects of config.istio.io/v1alpha2. */
import type { Static } from 'typebox';
import { VALUE_TYPES } from '../attributes.ts';
import {
  anyObject,
  bool,
  choice,
  duration,
  int32,
  list,
  map,
  message,
  num,
  opt,
  text,
  type FieldMeta,
  type ValueMeta,
} from './meta.ts';

/** Parameters of the adapters that are built in. Other adapters’ parameters stay open. */
export const PrometheusParams = message({
  metrics: opt(
    list(
      message({
        name: text({ minLength: 1 }),
        /** Full name of the instance: `requestcount.instance.istio-system`. */
        instanceName: text({ minLength: 1 }),
        description: opt(text()),
        kind: opt(choice(['UNSPECIFIED', 'GAUGE', 'COUNTER', 'DISTRIBUTION'])),
        buckets: opt(
          message({
            explicitBuckets: opt(message({ bounds: list(num(), { minItems: 1 }) }, { oneof: 'definition' })),
            linearBuckets: opt(
              message(
                { numFiniteBuckets: int32({ min: 1 }), width: num(), offset: opt(num()) },
                { oneof: 'definition' },
              ),
            ),
            exponentialBuckets: opt(
              message(
                { numFiniteBuckets: int32({ min: 1 }), growthFactor: num(), scale: num() },
                { oneof: 'definition' },
              ),
            ),
          }),
        ),
        labelNames: opt(list(text())),
        namespace: opt(text({ default: 'istio' })),
      }),
    ),
  ),
  metricsExpirationPolicy: opt(
    message({ metricsExpiryDuration: opt(duration()), expiryCheckIntervalDuration: opt(duration()) }),
  ),
});
export type PrometheusParams = Static<typeof PrometheusParams>;

const LOG_LEVELS = ['INFO', 'WARNING', 'ERROR'] as const;
const TO_FILE: FieldMeta = { effect: 'not-yet', reason: 'needs a log file, which the adapter does not write yet' };

export const StdioParams = message({
  logStream: opt(
    choice(['STDOUT', 'STDERR', 'FILE', 'ROTATED_FILE'], {
      default: 'STDOUT',
      values: {
        FILE: { effect: 'not-yet', reason: 'is not written yet: entries go to standard output' },
        ROTATED_FILE: { effect: 'not-yet', reason: 'is not written yet: entries go to standard output' },
      },
    }),
  ),
  severityLevels: opt(map(choice(LOG_LEVELS))),
  metricLevel: opt(choice(LOG_LEVELS, { default: 'INFO' })),
  outputAsJson: opt(bool({ default: true })),
  outputLevel: opt(choice(LOG_LEVELS, { default: 'INFO' })),
  outputPath: opt(text(TO_FILE)),
  maxMegabytesBeforeRotation: opt(int32({ min: 0, default: 100, ...TO_FILE })),
  maxDaysBeforeRotation: opt(int32({ min: 0, default: 30, ...TO_FILE })),
  maxRotatedFiles: opt(int32({ min: 0, default: 1000, ...TO_FILE })),
});
export type StdioParams = Static<typeof StdioParams>;

export const DenierParams = message({
  status: opt(
    message({
      /** A google.rpc code, 0–16; 7 is PERMISSION_DENIED. */
      code: opt(int32({ min: 0, max: 16, default: 9 })),
      message: opt(text()),
      details: opt(list(anyObject({ effect: 'not-yet', reason: 'is not sent on yet' }))),
    }),
  ),
  validDuration: opt(duration({ default: '5s' })),
  validUseCount: opt(int32({ default: 1000 })),
});
export type DenierParams = Static<typeof DenierParams>;

/** Parameter schema by adapter name. */
export const ADAPTER_PARAMS = { prometheus: PrometheusParams, stdio: StdioParams, denier: DenierParams } as const;

const expressions = () => opt(map(text({ format: 'expression' })));

export const MetricParams = message({
  value: text({ format: 'expression', minLength: 1 }),
  dimensions: expressions(),
  monitoredResourceType: opt(text({ format: 'expression' })),
  monitoredResourceDimensions: expressions(),
});
export type MetricParams = Static<typeof MetricParams>;

export const LogEntryParams = message({
  variables: expressions(),
  timestamp: opt(text({ format: 'expression' })),
  severity: opt(text({ format: 'expression' })),
  monitoredResourceType: opt(text({ format: 'expression' })),
  monitoredResourceDimensions: expressions(),
});
export type LogEntryParams = Static<typeof LogEntryParams>;

/** `checknothing` and `reportnothing` take no parameters. */
export const NothingParams = message({});

/** Parameter schema by template name. */
export const TEMPLATE_PARAMS = {
  metric: MetricParams,
  logentry: LogEntryParams,
  checknothing: NothingParams,
  reportnothing: NothingParams,
} as const;

const restricting: ValueMeta = {
  effect: 'refused',
  reason: 'decides about requests and is not built in yet: nothing would be denied',
  mend: 'Use denier, or an AuthorizationPolicy.',
};
const reporting: ValueMeta = { effect: 'not-yet', reason: 'is not built in yet: its instances are dropped' };

const ADAPTERS: Readonly<Record<string, ValueMeta>> = {
  listchecker: restricting,
  list: restricting,
  memquota: restricting,
  redisquota: restricting,
  opa: restricting,
  rbac: restricting,
  bypass: restricting,
  circonus: reporting,
  cloudwatch: reporting,
  dogstatsd: reporting,
  fluentd: reporting,
  kubernetesenv: reporting,
  noop: reporting,
  signalfx: reporting,
  solarwinds: reporting,
  stackdriver: reporting,
  statsd: reporting,
  zipkin: reporting,
};
const TEMPLATES: Readonly<Record<string, ValueMeta>> = {
  listentry: restricting,
  quota: restricting,
  authorization: restricting,
  apikey: restricting,
  tracespan: reporting,
  edge: reporting,
  kubernetes: reporting,
};

const OUT_OF_PROCESS: FieldMeta = {
  effect: 'refused',
  reason: 'belongs to an adapter in a process of its own, which is not called yet',
  mend: 'Use compiledAdapter with prometheus, stdio or denier.',
};

export const HandlerSpec = message({
  name: opt(text({ effect: 'ignored' })),
  compiledAdapter: opt(text({ values: ADAPTERS })),
  adapter: opt(text(OUT_OF_PROCESS)),
  /** Checked against the schema of the adapter. */
  params: opt(anyObject()),
  connection: opt(anyObject(OUT_OF_PROCESS)),
});
/** An adapter with its parameters. */
export type HandlerSpec = Static<typeof HandlerSpec>;

export const InstanceSpec = message({
  name: opt(text({ effect: 'ignored' })),
  compiledTemplate: opt(text({ values: TEMPLATES })),
  template: opt(text(OUT_OF_PROCESS)),
  /** Field → expression; checked against the schema of the template. */
  params: opt(anyObject()),
  attributeBindings: opt(map(text(), { effect: 'not-yet', reason: 'makes no attributes yet' })),
});
/** A template filled from attributes. */
export type InstanceSpec = Static<typeof InstanceSpec>;

const headerOperation = () =>
  opt(
    list(
      message({
        name: text({ minLength: 1 }),
        values: opt(list(text({ format: 'expression' }))),
        operation: opt(choice(['REPLACE', 'REMOVE', 'APPEND'], { default: 'REPLACE' })),
      }),
      { effect: 'not-yet', reason: 'does not change headers yet' },
    ),
  );

export const RuleSpec = message({
  match: opt(text({ format: 'expression', default: 'true' })),
  actions: opt(
    list(message({ handler: text({ minLength: 1 }), instances: opt(list(text({ minLength: 1 }))), name: opt(text()) })),
  ),
  requestHeaderOperations: headerOperation(),
  responseHeaderOperations: headerOperation(),
  sampling: opt(anyObject({ effect: 'not-yet', reason: 'does not sample yet: the rule always runs' })),
});
/** When to send which instances to which handlers. */
export type RuleSpec = Static<typeof RuleSpec>;

export const AttributeManifestSpec = message({
  revision: opt(text()),
  name: opt(text()),
  attributes: opt(
    map(message({ description: opt(text()), valueType: opt(choice(['VALUE_TYPE_UNSPECIFIED', ...VALUE_TYPES])) })),
  ),
});
/** Names and types of attributes that rules may use. */
export type AttributeManifestSpec = Static<typeof AttributeManifestSpec>;

/** Old kinds (up to 1.1), whose spec is the parameters alone; `adapter` and `template` name the modern form. */
export const LEGACY_MIXER = {
  prometheus: { adapter: 'prometheus', spec: PrometheusParams },
  stdio: { adapter: 'stdio', spec: StdioParams },
  denier: { adapter: 'denier', spec: DenierParams },
  metric: { template: 'metric', spec: MetricParams },
  logentry: { template: 'logentry', spec: LogEntryParams },
  checknothing: { template: 'checknothing', spec: NothingParams },
  reportnothing: { template: 'reportnothing', spec: NothingParams },
} as const;
