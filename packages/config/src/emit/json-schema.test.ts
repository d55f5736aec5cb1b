import { readdirSync, readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { KIND_NAMES } from '@weft/contracts/config';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../parse-config.ts';
import { configJsonSchema, kindJsonSchema } from './json-schema.ts';
import { toPlain, toPlainWithStatus, toYaml } from './to-yaml.ts';

const SAMPLES = new URL('../../../../deploy/samples/bookinfo/', import.meta.url);
const samples = readdirSync(SAMPLES)
  .filter((name) => name.endsWith('.yaml'))
  .flatMap((name) =>
    parseConfig(readFileSync(new URL(name, SAMPLES), 'utf8'), name).objects.map(({ object }) => object),
  );

const compile = (schema: object) => new Ajv2020({ strict: false, allErrors: true }).compile(schema);

describe('JSON Schema', () => {
  it.each(KIND_NAMES)('%s is a valid schema', (kind) => {
    expect(() => compile(kindJsonSchema(kind))).not.toThrow();
  });

  it('accepts the samples and refuses an unknown field', () => {
    const check = compile(configJsonSchema());
    expect(samples.length).toBeGreaterThan(20);
    for (const object of samples) expect(check(toPlain(object)), JSON.stringify(check.errors)).toBe(true);
    const [first] = samples;
    expect(check({ ...toPlain(first!), sepc: {} })).toBe(false);
  });

  it('says of a field what an editor should show', () => {
    const { properties } = kindJsonSchema('DestinationRule') as {
      properties: { spec: { properties: Record<string, unknown> } };
    };
    expect(properties.spec.properties['workloadSelector']).toMatchObject({
      description: expect.stringContaining('Since Istio 1.14'),
    });
  });
});

describe('YAML of an object', () => {
  it('reads back as the same object', () => {
    for (const object of samples) {
      const [again] = parseConfig(toYaml(object), 'again').objects;
      expect(again?.object.spec).toEqual(object.spec);
      expect(again?.object.metadata).toEqual(object.metadata);
    }
  });

  it('quotes words that kubectl would read as something else', () => {
    const text =
      'apiVersion: v1\nkind: Service\nmetadata: {name: a, labels: {a: "on", b: "0644", c: "1.10", d: "2001-01-01"}}\nspec: {clusterIP: None}\n';
    const [parsed] = parseConfig(text, 'f').objects;
    const [again] = parseConfig(toYaml(parsed!.object), 'f').objects;
    expect(again?.object.metadata.labels).toEqual({ a: 'on', b: '0644', c: '1.10', d: '2001-01-01' });
  });

  it('shows what the store keeps only when asked', () => {
    const object = {
      ...samples[0]!,
      metadata: { ...samples[0]!.metadata, uid: 'u', resourceVersion: '7', generation: 2 },
    };
    expect(toPlain(object)['metadata']).not.toHaveProperty('uid');
    expect(toPlainWithStatus(object)['metadata']).toMatchObject({ uid: 'u', resourceVersion: '7', generation: 2 });
  });
});
