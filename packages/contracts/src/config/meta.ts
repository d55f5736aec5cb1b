/** How the schema of a configuration kind is written: TypeBox values whose fields carry what a validator, an editor and a reader need to know. */
import { Type, type TEnum, type TObject, type TProperties, type TRecord, type TSchema, type TString } from 'typebox';

/**
 * What setting a field does today.
 * - `done`: it takes effect.
 * - `not-yet`: accepted with a warning; it restricts nothing, so leaving it out of effect opens nothing.
 * - `refused`: it restricts, and is not enforced yet; accepting it would open what the user closed.
 * - `ignored`: accepted silently, because it is no matter of the mesh (or because Istio itself ignores it).
 */
export type Effect = 'done' | 'not-yet' | 'refused' | 'ignored';

/** Checks beyond the JSON type. `regex` is RE2 syntax; `duration` is protobuf's or Go's form, at least 1 ms unless the field allows zero. */
export type Format =
  | 'duration'
  | 'duration-or-zero'
  | 'regex'
  /** As `regex`, where a lone `*` asks for presence. */
  | 'regex-or-star'
  | 'host'
  | 'service-host'
  | 'short-or-dns-host'
  | 'gateway-host'
  | 'egress-host'
  | 'gateway-ref'
  | 'dns-label'
  | 'export-to'
  | 'ip'
  | 'cidr'
  | 'port-number'
  | 'percent'
  | 'base64'
  | 'expression';

export interface FieldMeta {
  /** First Istio minor version whose API has the field; absent when it is as old as 1.4. */
  readonly since?: string;
  /** Inherited by everything below when not set; the root's default is `done`. */
  readonly effect?: Effect;
  /** The feature row that proves `done`. */
  readonly test?: string;
  /** Why the effect is `refused` or `not-yet`, as the end of a sentence that begins with the field's name. */
  readonly reason?: string;
  /** What the user can do instead, as an imperative sentence. */
  readonly mend?: string;
  /** Values of an enumeration (or items of a text) whose effect differs from the field's. */
  readonly values?: Readonly<Record<string, ValueMeta>>;
  /** Protobuf name, where it is not the snake_case of the JSON name. */
  readonly proto?: string;
  /** The protobuf oneof this field belongs to: at most one of a group may be set. */
  readonly oneof?: string;
  /** What holds when the field is absent. */
  readonly default?: unknown;
  readonly format?: Format;
  /** Deprecated: what to write instead. */
  readonly deprecated?: string;
  readonly min?: number;
  readonly max?: number;
  /** Fewest and most items of a list or map. */
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
}

export interface ValueMeta {
  readonly effect: Effect;
  readonly reason?: string;
  readonly mend?: string;
}

export interface MessageMeta extends FieldMeta {
  /** Oneof groups of which exactly one member must be set. */
  readonly requiredOneofs?: readonly string[];
  /** Istio's own JSON leaves the message open (a protobuf Struct): unknown fields pass. */
  readonly open?: boolean;
}

/** The JSON Schema keyword that holds the metadata. */
export const META = 'x-weft';

/** The metadata of a schema made by the builders below; empty for a foreign schema. */
export function metaOf(schema: TSchema): MessageMeta {
  const meta: unknown = (schema as { readonly [META]?: unknown })[META];
  return typeof meta === 'object' && meta !== null ? meta : {};
}

/** Marks a field as optional, which nearly every protobuf field is. */
export const opt = Type.Optional;

export const text = (meta: FieldMeta = {}): TString => Type.String({ [META]: meta });
export const bool = (meta: FieldMeta = {}) => Type.Boolean({ [META]: meta });
export const num = (meta: FieldMeta = {}) => Type.Number({ [META]: meta });
export const int32 = (meta: FieldMeta = {}) =>
  Type.Integer({ [META]: { min: -2_147_483_648, max: 2_147_483_647, ...meta } });
export const uint32 = (meta: FieldMeta = {}) => Type.Integer({ [META]: { min: 0, max: 4_294_967_295, ...meta } });
export const duration = (meta: FieldMeta = {}): TString => text({ format: 'duration', ...meta });
export const regex = (meta: FieldMeta = {}): TString => text({ format: 'regex', maxLength: 1024, ...meta });

/** One of these words. */
export const choice = <const Words extends readonly string[]>(
  words: readonly [...Words],
  meta: FieldMeta = {},
): TEnum<[...Words]> => Type.Enum<[...Words]>([...words], { [META]: meta });

export const list = <Item extends TSchema>(item: Item, meta: FieldMeta = {}) => Type.Array(item, { [META]: meta });

/** A JSON object with keys of the user's own. */
export const map = <Value extends TSchema>(value: Value, meta: FieldMeta = {}): TRecord<'^.*$', Value> =>
  Type.Record(Type.String(), value, { [META]: meta });

/** A protobuf message: unknown fields are errors. */
export const message = <Fields extends TProperties>(fields: Fields, meta: MessageMeta = {}): TObject<Fields> =>
  Type.Object(fields, { additionalProperties: meta.open === true, [META]: meta });

/** Any JSON object, checked elsewhere (for example by the adapter it is for). */
export const anyObject = (meta: FieldMeta = {}) => Type.Record(Type.String(), Type.Unknown(), { [META]: meta });
