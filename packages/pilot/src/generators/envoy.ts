/** Small builders for the Envoy values that every generator needs. */
import { create, type DescMessage, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import { anyPack, type Any, type Duration, DurationSchema } from '@bufbuild/protobuf/wkt';
import { ISTIO_METADATA } from '@weft/contracts';
import { AddressSchema, type Address } from '@weft/contracts/full/envoy/config/core/v3/address';
import {
  ApiVersion,
  ConfigSourceSchema,
  type ConfigSource,
} from '@weft/contracts/full/envoy/config/core/v3/config_source';
import { MetadataSchema, type Metadata } from '@weft/contracts/full/envoy/config/core/v3/base';
import { StringMatcherSchema, type StringMatcher } from '@weft/contracts/full/envoy/type/matcher/v3/string';
import {
  FractionalPercent_DenominatorType,
  FractionalPercentSchema,
  type FractionalPercent,
} from '@weft/contracts/full/envoy/type/v3/percent';
import { refPath, type SourceRef } from '../config-store/config-object.ts';
import type { StringMatch } from '../config-store/kinds.ts';

/** The fields of a message to be made: what `create` takes, without the finished message itself, so that parts can be spread together. */
export type Init<Desc extends DescMessage> = Exclude<MessageInitShape<Desc>, MessageShape<Desc>>;

export function duration(ms: number): Duration {
  const seconds = Math.trunc(ms / 1000);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * 1e6) });
}

export const pack = <Desc extends DescMessage>(schema: Desc, init?: MessageInitShape<Desc>): Any =>
  anyPack(schema, create(schema, init));

export const socketAddress = (address: string, port: number): Address =>
  create(AddressSchema, {
    address: { case: 'socketAddress', value: { address, portSpecifier: { case: 'portValue', value: port } } },
  });

export const pipeAddress = (path: string): Address =>
  create(AddressSchema, { address: { case: 'pipe', value: { path } } });

/** From the stream that this resource came on. Without a time limit: the server answers every name it is asked for. */
export const adsSource = (): ConfigSource =>
  create(ConfigSourceSchema, {
    configSourceSpecifier: { case: 'ads', value: {} },
    resourceApiVersion: ApiVersion.V3,
    initialFetchTimeout: duration(0),
  });

/** `filter_metadata.istio.config`: the object that made this resource, where there is one that did more than the others. */
export function configMetadata(
  ref: SourceRef | undefined,
  istio: Readonly<Record<string, string>> = {},
): Metadata | undefined {
  const fields = ref ? { config: refPath(ref), ...istio } : { ...istio };
  if (Object.keys(fields).length === 0) return undefined;
  return create(MetadataSchema, { filterMetadata: { [ISTIO_METADATA]: fields } });
}

export const stringMatcher = (
  kind: 'exact' | 'prefix' | 'suffix' | 'contains',
  value: string,
  ignoreCase = false,
): StringMatcher => create(StringMatcherSchema, { matchPattern: { case: kind, value }, ignoreCase });

/** RE2; the whole value must match. */
export const regexMatcher = (regex: string): StringMatcher =>
  create(StringMatcherSchema, { matchPattern: { case: 'safeRegex', value: { regex } } });

/** @returns undefined when the match says nothing: presence is enough. */
export function fromStringMatch(match: StringMatch): StringMatcher | undefined {
  if (match.exact !== undefined) return stringMatcher('exact', match.exact);
  if (match.prefix !== undefined) return stringMatcher('prefix', match.prefix);
  if (match.regex !== undefined && match.regex !== '' && match.regex !== '*') return regexMatcher(match.regex);
  return undefined;
}

/** Percentages are kept in millionths, as finely as configuration can say them. */
export const percentage = (value: number): FractionalPercent =>
  create(FractionalPercentSchema, {
    numerator: Math.round(value * 10_000),
    denominator: FractionalPercent_DenominatorType.MILLION,
  });
