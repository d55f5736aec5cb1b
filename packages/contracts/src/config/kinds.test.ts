import type { TSchema } from 'typebox';
import { describe, expect, it } from 'vitest';
import { apiVersionOf, KIND_NAMES, kindByAlias, kindInfo } from './kinds.ts';
import { metaOf, type MessageMeta } from './meta.ts';
import { byAge, configKey, refOf, type ConfigObject } from './object.ts';

interface View {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, TSchema>>;
  readonly patternProperties?: Readonly<Record<string, TSchema>>;
  readonly items?: TSchema;
  readonly additionalProperties?: boolean;
}

function* everyField(schema: TSchema, path: string): Generator<readonly [path: string, view: View, meta: MessageMeta]> {
  const view = schema as View;
  yield [path, view, metaOf(schema)];
  const below = [...Object.entries(view.properties ?? {}), ...Object.entries(view.patternProperties ?? {})];
  for (const [name, field] of below) yield* everyField(field, `${path}.${name}`);
  if (view.items !== undefined) yield* everyField(view.items, `${path}[]`);
}

const fields = KIND_NAMES.flatMap((kind) => [...everyField(kindInfo(kind).spec, kind)]);

describe('kinds', () => {
  it('are told apart by group and plural', () => {
    const names = KIND_NAMES.map((kind) => `${kindInfo(kind).plural}.${kindInfo(kind).group}`);
    expect(new Set(names).size).toBe(names.length);
  });

  it.each([
    ['vs', 'VirtualService'],
    ['virtualservices', 'VirtualService'],
    ['DESTINATIONRULE', 'DestinationRule'],
    ['svc', 'Service'],
    ['rule', 'rule'],
    ['pods', undefined],
  ])('%s is %s', (word, kind) => expect(kindByAlias(word)).toBe(kind));

  it('have an apiVersion', () => {
    expect(apiVersionOf('VirtualService')).toBe('networking.istio.io/v1');
    expect(apiVersionOf('Service')).toBe('v1');
  });

  it('know every message’s fields: unknown ones are errors', () => {
    const open = fields.filter(([, view]) => view.properties !== undefined && view.additionalProperties !== false);
    expect(open.map(([path]) => path)).toEqual([]);
  });

  it('say why whenever something is refused or has no effect yet, and what to do when it is refused', () => {
    const silent = fields.flatMap(([path, , meta]) =>
      [meta, ...Object.values(meta.values ?? {})]
        .filter(
          ({ effect, reason, mend }) =>
            (effect === 'refused' && (reason === undefined || mend === undefined)) ||
            (effect === 'not-yet' && reason === undefined),
        )
        .map(() => path),
    );
    expect(silent).toEqual([]);
    expect(fields.length).toBeGreaterThan(500);
  });
});

const object = (name: string, namespace: string, creationTimestamp: string): ConfigObject<'Service'> => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace, labels: {}, annotations: {}, creationTimestamp },
  spec: {},
});

describe('objects', () => {
  it('are ordered by age, then name, then namespace', () => {
    const [a, b, c, d] = [
      object('z', 'z', '2020'),
      object('a', 'a', '2021'),
      object('a', 'b', '2021'),
      object('b', 'a', '2021'),
    ];
    expect([d, c, b, a].toSorted(byAge)).toEqual([a, b, c, d]);
  });

  it('have a key', () => expect(configKey(refOf(object('a', 'b', '')))).toBe('Service/b/a'));
});
