/** JSON Schema (2020-12) of the kinds, for completion and checks while editing. Pure. */
import { KIND_NAMES, kindInfo, META, metaOf, type FieldMeta, type KindName } from '@weft/contracts/config';
import type { TSchema } from 'typebox';

export type JsonSchema = { readonly [key: string]: unknown };

/** One object of one kind. */
export function kindJsonSchema(kind: KindName): JsonSchema {
  const { group, versions, namespaced, spec } = kindInfo(kind);
  return {
    type: 'object',
    required: ['apiVersion', 'kind', 'metadata'],
    properties: {
      apiVersion: { enum: versions.map((version) => (group === '' ? version : `${group}/${version}`)) },
      kind: { const: kind },
      metadata: {
        type: 'object',
        required: ['name'],
        properties: {
          name: { type: 'string', maxLength: 253 },
          ...(namespaced ? { namespace: { type: 'string', maxLength: 63 } } : {}),
          labels: { type: 'object', additionalProperties: { type: 'string' } },
          annotations: { type: 'object', additionalProperties: { type: 'string' } },
        },
      },
      spec: fieldSchema(spec),
      status: {},
    },
    additionalProperties: false,
  };
}

/** Any object of any kind. */
export function configJsonSchema(): JsonSchema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Weft configuration',
    oneOf: KIND_NAMES.map((kind) => kindJsonSchema(kind)),
  };
}

function fieldSchema(schema: TSchema): JsonSchema {
  const meta = metaOf(schema);
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema as Readonly<Record<string, unknown>>)) {
    switch (key) {
      case META:
        break;
      case 'properties':
        result[key] = Object.fromEntries(
          Object.entries(value as Record<string, TSchema>).map(([name, field]) => [name, fieldSchema(field)]),
        );
        break;
      case 'patternProperties':
        result['additionalProperties'] = fieldSchema(Object.values(value as Record<string, TSchema>)[0] ?? {});
        break;
      case 'items':
        result[key] = fieldSchema(value as TSchema);
        break;
      case 'anyOf':
        result[key] = (value as readonly TSchema[]).map((option) => fieldSchema(option));
        break;
      default:
        result[key] = value;
    }
  }
  return { ...result, ...limits(meta, result['type']), ...words(meta) };
}

function limits(meta: FieldMeta, type: unknown): JsonSchema {
  const entries: (readonly [string, number | undefined])[] =
    type === 'string'
      ? [
          ['minLength', meta.minLength],
          ['maxLength', meta.maxLength],
        ]
      : type === 'array'
        ? [
            ['minItems', meta.minItems],
            ['maxItems', meta.maxItems],
          ]
        : type === 'object'
          ? [['maxProperties', meta.maxItems]]
          : [
              ['minimum', meta.min],
              ['maximum', meta.max],
            ];
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

/** What an editor shows: default, age, and what setting the field does today. */
function words(meta: FieldMeta): JsonSchema {
  const notes = [
    meta.effect === 'refused' ? `Refused: it ${meta.reason ?? 'is not enforced yet'}.` : undefined,
    meta.effect === 'not-yet' ? `No effect yet: it ${meta.reason ?? 'is not read yet'}.` : undefined,
    meta.since === undefined ? undefined : `Since Istio ${meta.since}.`,
    meta.deprecated === undefined ? undefined : `Deprecated; use ${meta.deprecated}.`,
    meta.format === undefined ? undefined : `Format: ${meta.format}.`,
  ].filter((note) => note !== undefined);
  return {
    ...(notes.length === 0 ? {} : { description: notes.join(' ') }),
    ...(meta.default === undefined ? {} : { default: meta.default }),
    ...(meta.deprecated === undefined ? {} : { deprecated: true }),
  };
}
