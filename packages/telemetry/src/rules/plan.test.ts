import { describe, expect, it } from 'vitest';
import { ADAPTERS } from '../adapters/index.ts';
import { buildPlan, sourceOf } from './plan.ts';

const object = (kind: string, name: string, spec: unknown, namespace = 'shop') => ({
  kind,
  metadata: { name, namespace },
  spec,
});
const metric = object('instance', 'count', {
  compiledTemplate: 'metric',
  params: { value: '1', dimensions: { app: 'source.labels["app"] | "unknown"' } },
});
const handler = (metrics: object = {}) =>
  object('handler', 'prom', {
    compiledAdapter: 'prometheus',
    params: {
      metrics: [
        { name: 'requests', instanceName: 'count.instance.shop', kind: 'COUNTER', labelNames: ['app'], ...metrics },
      ],
    },
  });
const rule = (over: object = {}) =>
  object('rule', 'all', { actions: [{ handler: 'prom', instances: ['count'] }], ...over });

function plan(...objects: readonly ReturnType<typeof object>[]) {
  return buildPlan(sourceOf(objects), { adapters: ADAPTERS });
}

describe('buildPlan', () => {
  it('links a rule to its handler and instances', () => {
    const { handlers, rules, problems } = plan(metric, handler(), rule());
    expect(problems).toEqual([]);
    expect([...handlers.keys()]).toEqual(['prom.handler.shop']);
    expect(rules[0]?.actions[0]?.instances.map(({ shape }) => shape.name)).toEqual(['count.instance.shop']);
  });

  it.each(['prom', 'prom.handler', 'prom.shop', 'prom.handler.shop'])('finds the handler as %s', (reference) => {
    expect(plan(metric, handler(), rule({ actions: [{ handler: reference, instances: ['count'] }] })).problems).toEqual(
      [],
    );
  });

  it('takes the kinds of Istio 1.1 too', () => {
    const old = plan(
      object('denier', 'no', { status: { code: 7 } }),
      object('checknothing', 'nothing', {}),
      object('rule', 'deny', {
        match: 'true',
        actions: [{ handler: 'no.denier', instances: ['nothing.checknothing'] }],
      }),
    );
    expect(old.problems).toEqual([]);
    expect([...old.handlers.keys()]).toEqual(['no.denier.shop']);
  });

  it.each<[string, readonly ReturnType<typeof object>[], string, RegExp]>([
    ['match of a wrong type', [metric, handler(), rule({ match: 'request.path' })], 'spec.match', /must give BOOL/],
    [
      'unknown attribute',
      [metric, handler(), rule({ match: 'request.pth == ""' })],
      'spec.match',
      /column 1: unknown attribute/,
    ],
    [
      'unknown handler',
      [metric, handler(), rule({ actions: [{ handler: 'promm', instances: ['count'] }] })],
      'spec.actions[0].handler',
      /no usable handler/,
    ],
    [
      'unknown instance',
      [metric, handler(), rule({ actions: [{ handler: 'prom', instances: ['count', 'cuont'] }] })],
      'spec.actions[0].instances[1]',
      /no usable instance/,
    ],
    [
      'repeated instance',
      [metric, handler(), rule({ actions: [{ handler: 'prom', instances: ['count', 'count'] }] })],
      'spec.actions[0].instances[1]',
      /twice/,
    ],
    ['unknown field', [metric, handler(), rule({ acions: [] })], 'spec.acions', /not a known field/],
    [
      'unknown adapter',
      [object('handler', 'x', { compiledAdapter: 'prometeus' })],
      'spec.compiledAdapter',
      /unknown adapter/,
    ],
    ['missing adapter', [object('handler', 'x', {})], 'spec.compiledAdapter', /missing/],
    [
      'unknown template',
      [object('instance', 'x', { compiledTemplate: 'metrics' })],
      'spec.compiledTemplate',
      /unknown template/,
    ],
    [
      'bad expression in a dimension',
      [
        object('instance', 'x', {
          compiledTemplate: 'metric',
          params: { value: '1', dimensions: { a: 'source.lables["x"]' } },
        }),
      ],
      'spec.params.dimensions["a"]',
      /unknown attribute/,
    ],
    [
      'severity of a wrong type',
      [object('instance', 'x', { compiledTemplate: 'logentry', params: { severity: '5' } })],
      'spec.params.severity',
      /must give STRING/,
    ],
    [
      'value that is no text',
      [object('instance', 'x', { compiledTemplate: 'metric', params: { value: 1 } })],
      'spec.params.value',
      /must be a text, not number/,
    ],
    [
      'labels other than the dimensions',
      [metric, handler({ labelNames: ['app', 'zone'] }), rule()],
      'spec.params.metrics[0].labelNames',
      /must be the dimensions .* app/,
    ],
    [
      'instance of nobody',
      [metric, handler({ instanceName: 'other.instance.shop' }), rule()],
      'spec.params.metrics[0].instanceName',
      /no rule sends/,
    ],
    ['missing kind', [metric, handler({ kind: undefined }), rule()], 'spec.params.metrics[0].kind', /must be/],
    [
      'two kinds of buckets',
      [
        metric,
        handler({
          kind: 'DISTRIBUTION',
          buckets: { explicitBuckets: { bounds: [1] }, linearBuckets: { numFiniteBuckets: 1, width: 1 } },
        }),
        rule(),
      ],
      'spec.params.metrics[0].buckets',
      /more than one/,
    ],
    [
      'status code out of range',
      [object('handler', 'd', { compiledAdapter: 'denier', params: { status: { code: 99 } } })],
      'spec.params.status.code',
      /no status code/,
    ],
    [
      'bad duration',
      [object('handler', 'd', { compiledAdapter: 'denier', params: { validDuration: '5 seconds' } })],
      'spec.params.validDuration',
      /no duration/,
    ],
    [
      'template that the adapter does not take',
      [
        metric,
        object('handler', 'd', { compiledAdapter: 'denier' }),
        rule({ actions: [{ handler: 'd', instances: ['count'] }] }),
      ],
      'spec.actions[0].instances[0]',
      /does not take metric/,
    ],
    [
      'attribute of two types',
      [object('attributemanifest', 'm', { attributes: { 'request.path': { valueType: 'INT64' } } })],
      'spec.attributes["request.path"]',
      /is STRING already/,
    ],
    [
      'header that can not be changed',
      [metric, handler(), rule({ responseHeaderOperations: [{ name: ':path' }] })],
      'spec.responseHeaderOperations[0].name',
      /can not be changed/,
    ],
  ])('names the field of a %s', (_, objects, field, message) => {
    const problem = plan(...objects).problems.find((found) => found.field === field);
    expect(problem?.message).toMatch(message);
    expect(problem?.object).toMatch(/^(rule|handler|instance|attributemanifest)\/shop\//);
  });

  it('keeps the rest in force', () => {
    const broken = object('rule', 'broken', { match: '(', actions: [{ handler: 'prom', instances: ['count'] }] });
    const { rules, problems, handlers } = plan(metric, handler(), broken, rule());
    expect(rules.map(({ name }) => name)).toEqual(['all']);
    expect(handlers.size).toBe(1);
    expect(problems).toHaveLength(1);
  });

  it('lets one metric be exported once', () => {
    const twin = { ...handler(), metadata: { name: 'twin', namespace: 'shop' } };
    const both = rule({
      actions: [
        { handler: 'prom', instances: ['count'] },
        { handler: 'twin', instances: ['count'] },
      ],
    });
    const { handlers, problems } = plan(metric, handler(), twin, both);
    expect([...handlers.keys()]).toEqual(['prom.handler.shop']);
    expect(problems[0]?.message).toMatch(/istio_requests is exported by prom.handler.shop/);
  });

  it('gives equal handlers equal signatures, and others others', () => {
    const signature = (...objects: readonly ReturnType<typeof object>[]) =>
      plan(...objects).handlers.get('prom.handler.shop')?.signature;
    expect(signature(metric, handler(), rule())).toBe(signature(handler(), rule({ match: 'true' }), metric));
    expect(signature(metric, handler(), rule())).not.toBe(signature(metric, handler({ description: 'x' }), rule()));
  });
});
