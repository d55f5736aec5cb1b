/** ListenerLimits as what Envoy has a field or a filter for, and the rest as metadata of ours on the listener. */
import { create, type JsonObject } from '@bufbuild/protobuf';
import { WEFT_METADATA } from '@weft/contracts';
import type { MetadataSchema } from '@weft/contracts/full/envoy/config/core/v3/base';
import { HttpProtocolOptions_HeadersWithUnderscoresAction as Underscores } from '@weft/contracts/full/envoy/config/core/v3/protocol';
import { FilterSchema, type Filter } from '@weft/contracts/full/envoy/config/listener/v3/listener_components';
import { ConnectionLimitSchema } from '@weft/contracts/full/envoy/extensions/filters/network/connection_limit/v3/connection_limit';
import type { HttpConnectionManagerSchema } from '@weft/contracts/full/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { durationMs } from '../model/duration.ts';
import { limitsOf, type AppliedLimits } from '../snapshot/listener-limits.ts';
import type { GeneratorContext } from './context.ts';
import { duration, pack, type Init } from './envoy.ts';

export const listenerLimits = ({ snapshot, proxy }: GeneratorContext, port: number): AppliedLimits =>
  limitsOf(snapshot, proxy, port);

type Hcm = Init<typeof HttpConnectionManagerSchema>;

/** @param side what this kind of connection manager says by itself. */
export function limitedHcm(side: Hcm, { spec }: AppliedLimits): Hcm {
  const { http = {}, http2 = {} } = spec;
  const common = {
    ...side.commonHttpProtocolOptions,
    ...(http.maxHeaders === undefined ? {} : { maxHeadersCount: http.maxHeaders }),
    ...time('idleTimeout', http.idleTimeout),
    ...time('maxConnectionDuration', http.maxConnectionDuration),
    ...(http.maxRequestsPerConnection === undefined ? {} : { maxRequestsPerConnection: http.maxRequestsPerConnection }),
    ...(http.headersWithUnderscores === undefined
      ? {}
      : { headersWithUnderscoresAction: UNDERSCORES[http.headersWithUnderscores] }),
  };
  const windows = {
    ...(http2.maxConcurrentStreams === undefined ? {} : { maxConcurrentStreams: http2.maxConcurrentStreams }),
    ...(http2.streamWindowBytes === undefined ? {} : { initialStreamWindowSize: http2.streamWindowBytes }),
    ...(http2.connectionWindowBytes === undefined ? {} : { initialConnectionWindowSize: http2.connectionWindowBytes }),
  };
  return {
    ...side,
    ...(http.maxHeadersKb === undefined ? {} : { maxRequestHeadersKb: http.maxHeadersKb }),
    ...time('requestHeadersTimeout', http.headersTimeout),
    ...time('requestTimeout', http.requestTimeout),
    ...time('streamIdleTimeout', http.streamIdleTimeout),
    ...(Object.keys(common).length === 0 ? {} : { commonHttpProtocolOptions: common }),
    ...(Object.keys(windows).length === 0 ? {} : { http2ProtocolOptions: windows }),
  };
}

const UNDERSCORES = {
  ALLOW: Underscores.ALLOW,
  REJECT: Underscores.REJECT_REQUEST,
  DROP: Underscores.DROP_HEADER,
} as const;

const time = (name: string, text: string | undefined): object => {
  const ms = durationMs(text);
  return ms === undefined ? {} : { [name]: duration(ms) };
};

/** In front of each chain; for an Envoy, which has no word for a whole listener, that is the limit of each chain. */
export function connectionLimit({ spec }: AppliedLimits, statPrefix: string): readonly Filter[] {
  if (spec.maxConnections === undefined) return [];
  const value = pack(ConnectionLimitSchema, { statPrefix, maxConnections: BigInt(spec.maxConnections) });
  return [
    create(FilterSchema, {
      name: 'envoy.filters.network.connection_limit',
      configType: { case: 'typedConfig', value },
    }),
  ];
}

/** @param edge whether callers are clients, who are told apart by their addresses. */
export function connectionMetadata({ spec }: AppliedLimits, edge: boolean): Init<typeof MetadataSchema> | undefined {
  const { maxConnections, perAddress = {} } = spec;
  const client = edge && Object.keys(perAddress).length > 0 ? clientLimits(perAddress) : undefined;
  if (maxConnections === undefined && client === undefined) return undefined;
  const connections: JsonObject = {
    ...(maxConnections === undefined ? {} : { max: maxConnections }),
    ...(client === undefined ? {} : { perAddress: client }),
  };
  return { filterMetadata: { [WEFT_METADATA]: { connections } } };
}

function clientLimits(given: NonNullable<AppliedLimits['spec']['perAddress']>): JsonObject {
  const entries: readonly (readonly [name: string, value: JsonObject[string] | undefined])[] = [
    ['max', given.maxConnections],
    ['perSecond', given.connectionsPerSecond],
    ['burst', given.burst],
    ['strikes', given.floods],
    ['strikeWindowMs', durationMs(given.floodWindow)],
    ['refuseMs', durationMs(given.refuseFor)],
    ['exempt', given.exempt],
  ];
  return Object.fromEntries(entries.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}
