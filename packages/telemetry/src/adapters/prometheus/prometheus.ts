/** Metrics for Prometheus to fetch. */
import type { Timer } from '@weft/kit';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ObjectReader } from '../../rules/object-reader.ts';
import type { InstanceShape, InstanceValue } from '../../rules/templates.ts';
import type { Adapter, AdapterDeps, Handler } from '../adapter.ts';
import { numberOf, textOf } from '../values.ts';
import { readBuckets } from './buckets.ts';

interface MetricConfig {
  /** With the namespace. */
  readonly name: string;
  readonly instanceName: string;
  readonly description: string;
  readonly kind: 'GAUGE' | 'COUNTER' | 'DISTRIBUTION';
  readonly buckets: readonly number[] | undefined;
  /** As in the configuration, and as Prometheus allows. */
  readonly labels: readonly (readonly [dimension: string, label: string])[];
}

export const prometheus: Adapter = {
  name: 'prometheus',
  templates: ['metric'],
  plan(params, instances) {
    const metrics = params.objects('metrics').flatMap((metric) => readMetric(metric, instances));
    const taken = new Set<string>();
    for (const [i, { name }] of metrics.entries()) {
      if (taken.has(name)) params.problem(`metrics[${i}].name`, `${name} is defined twice`);
      taken.add(name);
    }
    const expiration = params.object('metricsExpirationPolicy');
    const expiryMs = expiration?.duration('metricsExpiryDuration') ?? 0;
    const checkMs = expiration?.duration('expiryCheckIntervalDuration') ?? expiryMs / 2;
    expiration?.end();
    params.end();
    return { exports: [...taken], create: (deps) => createHandler(metrics, expiryMs, checkMs, deps) };
  },
};

/** `/`, `.` and blanks become `_`; hyphens go. */
const safeName = (text: string): string => text.replace(/[/. ]/g, '_').replaceAll('-', '');

function readMetric(metric: ObjectReader, instances: readonly InstanceShape[]): readonly MetricConfig[] {
  const name = metric.required('name');
  const instanceName = metric.required('instanceName');
  const description = metric.string('description') ?? '';
  const kind = metric.choice('kind', ['UNSPECIFIED', 'GAUGE', 'COUNTER', 'DISTRIBUTION']);
  const labelNames = metric.strings('labelNames');
  const namespace = metric.string('namespace') ?? 'istio';
  const buckets = readBuckets(metric);
  metric.end();
  if (kind === undefined || kind === 'UNSPECIFIED') metric.problem('kind', 'must be GAUGE, COUNTER or DISTRIBUTION');
  const fullName = `${namespace === '' ? '' : `${safeName(namespace)}_`}${safeName(name ?? '')}`;
  if (name !== undefined && !/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(fullName))
    metric.problem('name', `${fullName} is no metric name`);
  const labels = labelNames.map((label) => [label, safeName(label)] as const);
  const malformed = labels.find(([, label]) => !/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(label) || label === 'le');
  if (malformed) metric.problem('labelNames', `${malformed[0]} can not be a label`);
  const instance = instances.find((shape) => shape.name === instanceName);
  if (instanceName !== undefined && !instance) {
    metric.problem(
      'instanceName',
      `no rule sends ${instanceName} to this handler`,
      'use the full name: NAME.instance.NAMESPACE',
    );
  }
  if (instance && !sameNames(instance.fields, labelNames)) {
    metric.problem('labelNames', `must be the dimensions of ${instance.name}: ${instance.fields.join(', ')}`);
  }
  if (name === undefined || instanceName === undefined || kind === undefined || kind === 'UNSPECIFIED') return [];
  return [{ name: fullName, instanceName, description, kind, buckets, labels }];
}

const sameNames = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && new Set([...a, ...b]).size === a.length;

interface Recorder {
  readonly config: MetricConfig;
  record(labels: Record<string, string>, value: number): void;
  remove(labels: Record<string, string>): void;
}

function createRecorder(config: MetricConfig, registry: Registry): Recorder {
  const { name, kind, buckets } = config;
  const labelNames = config.labels.map(([, label]) => label);
  const common = { name, help: config.description || name, labelNames, registers: [registry] };
  switch (kind) {
    case 'COUNTER': {
      const counter = new Counter(common);
      return {
        config,
        record: (labels, value) => counter.inc(labels, value),
        remove: (labels) => counter.remove(labels),
      };
    }
    case 'GAUGE': {
      const gauge = new Gauge(common);
      return { config, record: (labels, value) => gauge.set(labels, value), remove: (labels) => gauge.remove(labels) };
    }
    case 'DISTRIBUTION': {
      const histogram = new Histogram({ ...common, ...(buckets ? { buckets: [...buckets] } : {}) });
      return {
        config,
        record: (labels, value) => histogram.observe(labels, value),
        remove: (labels) => histogram.remove(labels),
      };
    }
  }
}

function createHandler(
  metrics: readonly MetricConfig[],
  expiryMs: number,
  checkMs: number,
  deps: AdapterDeps,
): Handler {
  const { clock, logger } = deps;
  const registry = new Registry();
  const recorders = new Map<string, Recorder[]>();
  for (const config of metrics) {
    const list = recorders.get(config.instanceName) ?? [];
    recorders.set(config.instanceName, [...list, createRecorder(config, registry)]);
  }
  const lastUse = new Map<
    string,
    { readonly recorder: Recorder; readonly labels: Record<string, string>; atMs: number }
  >();
  let timer: Timer | undefined;
  const expire = (): void => {
    const before = clock.now() - expiryMs;
    for (const [key, { recorder, labels, atMs }] of lastUse) {
      if (atMs > before) continue;
      recorder.remove(labels);
      lastUse.delete(key);
    }
    timer = clock.after(checkMs, expire);
  };
  if (expiryMs > 0 && checkMs > 0) timer = clock.after(checkMs, expire);

  const record = (recorder: Recorder, instance: InstanceValue & { readonly template: 'metric' }): void => {
    const value = numberOf(instance.value);
    if (value === undefined || (recorder.config.kind === 'COUNTER' && value < 0)) {
      logger.warn(
        { instance: instance.name, metric: recorder.config.name },
        'a value can not be recorded in this metric',
      );
      return;
    }
    const labels: Record<string, string> = {};
    for (const [dimension, label] of recorder.config.labels) {
      const typed = instance.dimensions.get(dimension);
      labels[label] = typed ? textOf(typed) : '';
    }
    recorder.record(labels, value);
    if (expiryMs > 0) {
      const key = `${recorder.config.name} ${JSON.stringify(labels)}`;
      lastUse.set(key, { recorder, labels, atMs: clock.now() });
    }
  };

  return {
    report(instances) {
      for (const instance of instances) {
        if (instance.template !== 'metric') continue;
        for (const recorder of recorders.get(instance.name) ?? []) record(recorder, instance);
      }
    },
    metrics: () => registry.metrics(),
    close: () => timer?.cancel(),
  };
}
