// What routes, hosts and the whole configuration say to filters, each level over the one around it.
import { toBinary } from '@bufbuild/protobuf';
import { type CorsPolicy, CorsPolicySchema } from '@weft/contracts/lean/envoy/config/route/v3/route_components';
import { at, ConfigRejectedError, type Place, reject } from './rejected.ts';
import type { PackedConfig } from './route-table.ts';

/** By the filter's name in the listener. */
export type FilterConfigs<Config> = ReadonlyMap<string, Config>;

/** Decodes one `typed_per_filter_config` entry. What it throws refuses the resource. */
export type DecodeFilterConfig<Config> = (filter: string, config: PackedConfig) => Config;

const CORS_FILTER = 'envoy.filters.http.cors';

/** The older place of a CORS policy; the filter's own configuration counts before it. */
export function withCors(
  packed: Readonly<Record<string, PackedConfig>>,
  cors: CorsPolicy | undefined,
): Readonly<Record<string, PackedConfig>> {
  if (cors === undefined || packed[CORS_FILTER] !== undefined) return packed;
  const typeUrl = `type.googleapis.com/${CorsPolicySchema.typeName}`;
  return { ...packed, [CORS_FILTER]: { typeUrl, value: toBinary(CorsPolicySchema, cors) } };
}

/** @throws {ConfigRejectedError} naming the entry that can not be read. */
export function decodeConfigs<Config>(
  packed: Readonly<Record<string, PackedConfig>>,
  decode: DecodeFilterConfig<Config>,
  place: Place,
): FilterConfigs<Config> {
  const decoded = new Map<string, Config>();
  for (const [filter, config] of Object.entries(packed)) {
    const here = at(place, `typed_per_filter_config["${filter}"]`);
    try {
      decoded.set(filter, decode(filter, config));
    } catch (error) {
      if (error instanceof ConfigRejectedError) throw error;
      reject(here, 'can not be read', error);
    }
  }
  return decoded;
}

export const overlay = <Config>(outer: FilterConfigs<Config>, inner: FilterConfigs<Config>): FilterConfigs<Config> =>
  inner.size === 0 ? outer : new Map([...outer, ...inner]);
