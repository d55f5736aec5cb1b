import {
  type HttpConnectionManager,
  HttpConnectionManager_CodecType as CodecType,
  HttpConnectionManager_ForwardClientCertDetails as ForwardDetails,
  HttpConnectionManager_PathWithEscapedSlashesAction as SlashAction,
  HttpConnectionManager_ServerHeaderTransformation as ServerTransformation,
  type HttpConnectionManager_Tracing as Tracing,
} from '@weft/contracts/lean/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { HttpProtocolOptions_HeadersWithUnderscoresAction as Underscores } from '@weft/contracts/lean/envoy/config/core/v3/protocol';
import type { RouteConfiguration } from '@weft/contracts/lean/envoy/config/route/v3/route';
import { RouterSchema } from '@weft/contracts/lean/envoy/extensions/filters/http/router/v3/router';
import { ConfigRejectedError } from '@weft/evaluator';
import type { CertForwarding, HcmSettings } from '../filters/http/hcm-settings.ts';
import type { FilterDeps } from '../filters/http/http-filter.ts';
import type { AccessLogger, AccessLogs, TracingSettings } from '../ports.ts';
import type { Direction } from '../request-record.ts';
import { DEFAULT_H2_LIMITS, EDGE_H2_LIMITS } from '../http2/connection/options.ts';
import type { HeadLimits } from '../http1/head-parser.ts';
import { opened, typeNameOf, unpack } from './any.ts';
import { millisOr } from './durations.ts';
import { floodLimits } from './http2-limits.ts';
import { factoryOf, isInert, type ListedFilter } from './routes.ts';

export interface CompiledHcm {
  readonly settings: HcmSettings;
  readonly filters: readonly ListedFilter[];
  /** Exactly one of the two. */
  readonly rdsName: string | undefined;
  readonly inlineRoutes: RouteConfiguration | undefined;
  readonly accessLog: AccessLogger | undefined;
}

/** What compiling a listener needs beside what its filters do. */
export interface ListenerDeps extends FilterDeps {
  readonly accessLogs: AccessLogs | undefined;
  /** Whether this machine has the address at all; whether the port is free shows only when it is bound. */
  readonly hasAddress: (address: string) => boolean;
  /** Called for listeners that want them. @throws {ConfigRejectedError} where they can not be told. */
  readonly needOriginalDestinations: (resource: string) => void;
}

const DEFAULT_IDLE_TIMEOUT_MS = 3_600_000;
const DEFAULT_STREAM_IDLE_TIMEOUT_MS = 300_000;
const DEFAULT_HEADERS_TIMEOUT_MS = 60_000;
const DEFAULT_LINGER_MS = 1_000;
const DEFAULT_MAX_HEAD_KIB = 60;
const DEFAULT_MAX_FIELDS = 100;
const DEFAULT_PING_TIMEOUT_MS = 20_000;
const DEFAULT_SERVER_NAME = 'weft';
// Of a request's body, for another attempt. As much as Envoy's connection buffer holds.
const MAX_KEPT_BYTES = 1024 * 1024;

const CERT_FORWARDING: Readonly<Record<ForwardDetails, CertForwarding>> = {
  [ForwardDetails.SANITIZE]: 'sanitize',
  [ForwardDetails.FORWARD_ONLY]: 'forward-only',
  [ForwardDetails.APPEND_FORWARD]: 'append-forward',
  [ForwardDetails.SANITIZE_SET]: 'sanitize-set',
  [ForwardDetails.ALWAYS_FORWARD_ONLY]: 'always-forward-only',
};

/** What a connection manager takes from its listener. */
export interface ListenerFacts {
  readonly listener: string;
  readonly direction: Direction;
  /** `per_connection_buffer_limit_bytes`; undefined = ours. */
  readonly bufferBytes: number | undefined;
}

/** @throws {ConfigRejectedError} */
export function compileHcm(
  message: HttpConnectionManager,
  where: ListenerFacts,
  deps: ListenerDeps,
  resource: string,
): CompiledHcm {
  const common = message.commonHttpProtocolOptions;
  const certDetails = message.setCurrentClientCertDetails;
  const { filters, suppressEnvoyHeaders } = compileFilters(message, deps, resource);
  const upgrades = new Map(
    message.upgradeConfigs.map(({ upgradeType, enabled }) => [upgradeType.toLowerCase(), enabled ?? true]),
  );
  const { routeSpecifier } = message;
  if (routeSpecifier.case === undefined) throw new ConfigRejectedError(resource, 'route_specifier is not set');
  return {
    filters,
    accessLog: deps.accessLogs?.create(message.accessLog, resource),
    rdsName: routeSpecifier.case === 'rds' ? routeSpecifier.value.routeConfigName : undefined,
    inlineRoutes: routeSpecifier.case === 'routeConfig' ? routeSpecifier.value : undefined,
    settings: {
      listener: where.listener,
      direction: where.direction,
      statPrefix: message.statPrefix,
      useRemoteAddress: message.useRemoteAddress ?? false,
      trustedHops: message.xffNumTrustedHops,
      skipXffAppend: message.skipXffAppend,
      certForwarding: CERT_FORWARDING[message.forwardClientCertDetails] ?? 'sanitize',
      certDetails: { subject: certDetails?.subject ?? false, uri: certDetails?.uri ?? false },
      generateRequestId: message.generateRequestId ?? true,
      preserveRequestId: message.preserveExternalRequestId,
      requestIdInResponse: message.alwaysSetRequestIdInResponse,
      serverName: message.serverName === '' ? DEFAULT_SERVER_NAME : message.serverName,
      serverHeader: serverHeader(message.serverHeaderTransformation),
      via: message.via,
      normalizePath: message.normalizePath ?? false,
      mergeSlashes: message.mergeSlashes,
      escapedSlashes: escapedSlashes(message.pathWithEscapedSlashesAction),
      stripPort:
        message.stripPortMode.case === 'stripAnyHostPort' && message.stripPortMode.value
          ? 'any'
          : message.stripMatchingHostPort
            ? 'matching'
            : 'no',
      underscores: underscores(common?.headersWithUnderscoresAction),
      limits: headLimits(message),
      keptBytes: Math.min(where.bufferBytes ?? MAX_KEPT_BYTES, MAX_KEPT_BYTES),
      maxConnectionMs: millisOr(common?.maxConnectionDuration, 0),
      maxRequestsPerConnection: common?.maxRequestsPerConnection ?? 0,
      idleTimeoutMs: millisOr(common?.idleTimeout, DEFAULT_IDLE_TIMEOUT_MS),
      streamIdleTimeoutMs: millisOr(message.streamIdleTimeout, DEFAULT_STREAM_IDLE_TIMEOUT_MS),
      maxStreamDurationMs: millisOr(common?.maxStreamDuration, 0),
      requestTimeoutMs: millisOr(message.requestTimeout, 0),
      headersTimeoutMs: millisOr(message.requestHeadersTimeout, DEFAULT_HEADERS_TIMEOUT_MS),
      trailers: message.httpProtocolOptions?.enableTrailers ?? false,
      target: {
        connect: upgrades.get('connect') ?? false,
        defaultHost10: message.httpProtocolOptions?.defaultHostForHttp10 ?? '',
      },
      forwardContinue: message.proxy100Continue,
      codec: codecOf(message.codecType),
      http2: downstreamHttp2(message, upgrades.size > 0, where.bufferBytes),
      lingerMs: millisOr(message.delayedCloseTimeout, DEFAULT_LINGER_MS),
      upgrades,
      tracing: message.tracing === undefined ? undefined : tracingSettings(message.tracing),
      suppressEnvoyHeaders,
    },
  };
}

function codecOf(type: CodecType): HcmSettings['codec'] {
  if (type === CodecType.HTTP1) return 'http1';
  return type === CodecType.HTTP2 ? 'http2' : 'auto';
}

/** @param upgrades whether any is configured: without one there is nothing to offer. */
function downstreamHttp2(
  message: HttpConnectionManager,
  upgrades: boolean,
  bufferBytes: number | undefined,
): HcmSettings['http2'] {
  const options = message.http2ProtocolOptions;
  const ping = options?.connectionKeepalive;
  const defaults = message.useRemoteAddress === true ? EDGE_H2_LIMITS : DEFAULT_H2_LIMITS;
  return {
    limits: {
      ...defaults,
      maxConcurrentStreams: options?.maxConcurrentStreams ?? defaults.maxConcurrentStreams,
      streamWindow: options?.initialStreamWindowSize ?? defaults.streamWindow,
      connectionWindow: options?.initialConnectionWindowSize ?? defaults.connectionWindow,
      head: headLimits(message),
      outputBytes: Math.min(bufferBytes ?? defaults.outputBytes, defaults.outputBytes),
      ...floodLimits(options, defaults),
      keepalive:
        ping?.interval === undefined
          ? undefined
          : { intervalMs: millisOr(ping.interval, 0), timeoutMs: millisOr(ping.timeout, DEFAULT_PING_TIMEOUT_MS) },
    },
    connectProtocol: upgrades,
  };
}

function underscores(action: Underscores | undefined): HcmSettings['underscores'] {
  if (action === Underscores.REJECT_REQUEST) return 'reject';
  return action === Underscores.DROP_HEADER ? 'drop' : 'allow';
}

const headLimits = (message: HttpConnectionManager): HeadLimits => ({
  maxBytes: (message.maxRequestHeadersKb ?? DEFAULT_MAX_HEAD_KIB) * 1024,
  maxFields: message.commonHttpProtocolOptions?.maxHeadersCount ?? DEFAULT_MAX_FIELDS,
});

function compileFilters(message: HttpConnectionManager, deps: FilterDeps, resource: string) {
  const filters: ListedFilter[] = [];
  let suppressEnvoyHeaders = false;
  let routerAt = -1;
  message.httpFilters.forEach((entry, i) => {
    const place = `${resource}: http_filters[${i}] "${entry.name}"`;
    const any = entry.configType.case === 'typedConfig' ? opened(entry.configType.value, place) : undefined;
    const typeName = any === undefined ? '' : typeNameOf(any.typeUrl);
    if (typeName === RouterSchema.typeName) {
      routerAt = i;
      suppressEnvoyHeaders = unpack(any, RouterSchema, place)?.suppressEnvoyHeaders ?? false;
      return;
    }
    if (isInert(entry.name, typeName)) return;
    const factory = factoryOf(typeName);
    if (factory === undefined || any === undefined) {
      if (entry.isOptional) return;
      throw new ConfigRejectedError(
        place,
        `${typeName === '' ? 'a filter without configuration' : typeName} is not supported`,
      );
    }
    filters.push({ name: entry.name, factory, config: factory.parse(any, deps, place), disabled: entry.disabled });
  });
  if (routerAt !== message.httpFilters.length - 1)
    throw new ConfigRejectedError(resource, 'http_filters: the last one must be the router');
  return { filters, suppressEnvoyHeaders };
}

function serverHeader(transformation: ServerTransformation): HcmSettings['serverHeader'] {
  switch (transformation) {
    case ServerTransformation.OVERWRITE:
      return 'overwrite';
    case ServerTransformation.APPEND_IF_ABSENT:
      return 'append-if-absent';
    case ServerTransformation.PASS_THROUGH:
      return 'pass-through';
  }
}

function escapedSlashes(action: SlashAction): HcmSettings['escapedSlashes'] {
  switch (action) {
    case SlashAction.IMPLEMENTATION_SPECIFIC_DEFAULT:
    case SlashAction.KEEP_UNCHANGED:
      return 'keep';
    case SlashAction.REJECT_REQUEST:
      return 'reject';
    case SlashAction.UNESCAPE_AND_REDIRECT:
      return 'unescape-and-redirect';
    case SlashAction.UNESCAPE_AND_FORWARD:
      return 'unescape-and-forward';
  }
}

function tracingSettings(tracing: Tracing): TracingSettings {
  const fraction = (percent: { readonly value: number } | undefined): number => (percent?.value ?? 100) / 100;
  return {
    randomSampling: fraction(tracing.randomSampling),
    overallSampling: fraction(tracing.overallSampling),
    clientSampling: fraction(tracing.clientSampling),
    tags: tracing.customTags.flatMap(({ tag, type }) =>
      type.case === 'literal' ? [[tag, type.value.value] as const] : [],
    ),
  };
}
