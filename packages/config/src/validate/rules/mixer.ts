import { ADAPTER_PARAMS, TEMPLATE_PARAMS, type PrometheusParams } from '@weft/contracts/config';
import type { TSchema } from 'typebox';
import { shown } from '../formats.ts';
import { nearest } from '../names.ts';
import { walk } from '../walk.ts';
import { unique } from './common.ts';
import type { Rule, RuleContext } from './rule.ts';

// Named in the schemas of handler and instance with what they would do; they are not errors of spelling.
const OTHER_ADAPTERS =
  'listchecker list memquota redisquota opa rbac bypass circonus cloudwatch dogstatsd fluentd kubernetesenv noop signalfx solarwinds stackdriver statsd zipkin'.split(
    ' ',
  );
const OTHER_TEMPLATES = 'listentry quota authorization apikey tracespan edge kubernetes'.split(' ');

export const handler: Rule<'handler'> = (spec, context) => {
  const { fail } = context;
  if (spec.compiledAdapter === undefined) {
    if (spec.adapter === undefined)
      fail('W0012', ['spec'], 'the adapter is missing', 'Give compiledAdapter: prometheus, stdio or denier.');
    return;
  }
  const params = named(ADAPTER_PARAMS, spec.compiledAdapter, OTHER_ADAPTERS, 'adapter', 'compiledAdapter', context);
  if (params === undefined) return;
  const checked = replaceParams(spec, params, context);
  if (checked && spec.compiledAdapter === 'prometheus')
    prometheusParams(spec.params as PrometheusParams, ['spec', 'params'], context);
};

export const instance: Rule<'instance'> = (spec, context) => {
  const { fail } = context;
  if (spec.compiledTemplate === undefined) {
    if (spec.template === undefined)
      fail('W0012', ['spec'], 'the template is missing', 'Give compiledTemplate, for example metric.');
    return;
  }
  const params = named(
    TEMPLATE_PARAMS,
    spec.compiledTemplate,
    OTHER_TEMPLATES,
    'template',
    'compiledTemplate',
    context,
  );
  if (params !== undefined) replaceParams(spec, params, context);
};

export const mixerRule: Rule<'rule'> = (spec, { fail, warn }) => {
  const { actions = [] } = spec;
  if (actions.length === 0) fail('W0012', ['spec'], 'the rule has no actions', 'Give at least one.');
  for (const [index, { instances = [] }] of actions.entries()) {
    if (instances.length === 0)
      warn('W0025', ['spec', 'actions', index], 'an action without instances does nothing', 'Name an instance.');
  }
};

export const prometheus: Rule<'prometheus'> = (spec, context) => prometheusParams(spec, ['spec'], context);

function prometheusParams({ metrics = [] }: PrometheusParams, path: readonly string[], { fail }: RuleContext): void {
  for (const [index, { kind, buckets, labelNames = [] }] of metrics.entries()) {
    const where = [...path, 'metrics', index];
    if (buckets !== undefined && kind !== 'DISTRIBUTION')
      fail('W0024', [...where, 'buckets'], 'buckets are for kind DISTRIBUTION');
    const bounds = buckets?.explicitBuckets?.bounds ?? [];
    if (bounds.some((bound, at) => at > 0 && bound <= (bounds[at - 1] ?? bound)))
      fail('W0014', [...where, 'buckets'], 'the bounds do not grow');
    unique(
      labelNames,
      (label) => label,
      (at, label) => fail('W0043', [...where, 'labelNames', at], `"${shown(label)}" is listed twice`, 'Keep one.'),
    );
  }
  unique(
    metrics,
    ({ name, namespace = 'istio' }) => `${namespace}_${name}`,
    (index, name) =>
      fail('W0043', [...path, 'metrics', index, 'name'], `two metrics are named ${shown(name)}`, 'Rename one.'),
  );
}

function named(
  table: Readonly<Record<string, TSchema>>,
  name: string,
  others: readonly string[],
  what: string,
  field: string,
  { fail }: RuleContext,
): TSchema | undefined {
  if (Object.hasOwn(table, name)) return table[name];
  if (others.includes(name)) return undefined;
  const known = Object.keys(table);
  const guess = nearest(name, [...known, ...others]);
  fail(
    'W0013',
    ['spec', field],
    `there is no ${what} "${shown(name)}"`,
    guess === undefined ? `Built in: ${known.join(', ')}.` : `Did you mean ${guess}?`,
  );
  return undefined;
}

/** Checks the parameters and puts them in with their camelCase names. */
function replaceParams(spec: { params?: Record<string, unknown> }, schema: TSchema, { report }: RuleContext): boolean {
  const { value, shapeOk } = walk(schema, spec.params ?? {}, ['spec', 'params'], report);
  if (shapeOk) spec.params = value as Record<string, unknown>;
  return shapeOk;
}
