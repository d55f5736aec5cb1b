import { create } from '@bufbuild/protobuf';
import type { PathNormalization } from '@weft/contracts';
import { HttpProtocolOptions_HeadersWithUnderscoresAction } from '@weft/contracts/full/envoy/config/core/v3/protocol';
import { FilterSchema, type Filter } from '@weft/contracts/full/envoy/config/listener/v3/listener_components';
import type { RouteConfiguration } from '@weft/contracts/full/envoy/config/route/v3/route';
import { CorsSchema } from '@weft/contracts/full/envoy/extensions/filters/http/cors/v3/cors';
import { HTTPFaultSchema } from '@weft/contracts/full/envoy/extensions/filters/http/fault/v3/fault';
import { StatefulSessionSchema } from '@weft/contracts/full/envoy/extensions/filters/http/stateful_session/v3/stateful_session';
import { GrpcWebSchema } from '@weft/contracts/full/envoy/extensions/filters/http/grpc_web/v3/grpc_web';
import { RouterSchema } from '@weft/contracts/full/envoy/extensions/filters/http/router/v3/router';
import {
  HttpConnectionManager_ForwardClientCertDetails,
  HttpConnectionManager_PathWithEscapedSlashesAction,
  HttpConnectionManagerSchema,
  HttpFilterSchema,
  type HttpConnectionManager_TracingSchema,
  type HttpFilter,
} from '@weft/contracts/full/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import type { MeshOptions } from '../options.ts';
import { canonicalName, canonicalRevision } from '../model/labels.ts';
import { accessLogging } from '../snapshot/access-logging.ts';
import type { AppliedLimits } from '../snapshot/listener-limits.ts';
import { accessLogs } from './access-log.ts';
import type { GeneratorContext } from './context.ts';
import { limitedHcm } from './listener-limits.ts';
import { outboundLimitFilters } from './local-rate-limit.ts';
import { adsSource, duration, pack, type Init } from './envoy.ts';
import { SESSION_FILTER } from './session.ts';

export const FAULT_FILTER = 'envoy.filters.http.fault';
const GRPC_WEB_FILTER = 'envoy.filters.http.grpc_web';
export const CORS_FILTER = 'envoy.filters.http.cors';
/** For the whole of a request to arrive, and for silence while it is answered (Envoy's advice for edges). */
const EDGE_TIMEOUT_MS = 300_000;
const ROUTER_FILTER = 'envoy.filters.http.router';

export type HttpSide = 'outbound' | 'inbound' | 'gateway' | 'http-proxy';

export interface HttpStack {
  readonly side: HttpSide;
  readonly statPrefix: string;
  /** A name for RDS, or the routes themselves. */
  readonly routes: string | RouteConfiguration;
  /** Authorization filters, in front of all others. */
  readonly authorization?: readonly HttpFilter[];
  /** Whether callers may be browsers that speak gRPC-Web. */
  readonly grpcWeb?: boolean;
  /** Limits of all that comes in, and the places of those that routes have; default: those of callers. */
  readonly limits?: readonly HttpFilter[];
  /** What clients may hold. */
  readonly clients?: AppliedLimits;
}

type Hcm = Init<typeof HttpConnectionManagerSchema>;

/** The terminal filter of every HTTP chain. */
export function httpConnectionManager(context: GeneratorContext, stack: HttpStack): Filter {
  const { mesh } = context.snapshot;
  return create(FilterSchema, {
    name: 'envoy.filters.network.http_connection_manager',
    configType: {
      case: 'typedConfig',
      value: pack(HttpConnectionManagerSchema, {
        statPrefix: `${stack.statPrefix};`,
        routeSpecifier:
          typeof stack.routes === 'string'
            ? { case: 'rds', value: { configSource: adsSource(), routeConfigName: stack.routes } }
            : { case: 'routeConfig', value: stack.routes },
        httpFilters: httpFilters(stack, context),
        ...paths(mesh.pathNormalization),
        upgradeConfigs: [{ upgradeType: 'websocket' }],
        // Whether the body is wanted is for the application to say.
        proxy100Continue: true,
        accessLog: accessLogs(
          mesh,
          accessLogging(context.snapshot, context.proxy, isServer(stack.side) ? 'SERVER' : 'CLIENT'),
        ),
        ...(mesh.enableTracing ? { tracing: tracing(context) } : {}),
        ...limitedHcm(sideOf(stack.side, mesh), stack.clients ?? NO_LIMITS),
      }),
    },
  });
}

/** Paths are compared as the application will see them: what is not made equal here must be equal to it, too. */
function paths(mode: PathNormalization): Hcm {
  switch (mode) {
    case 'NONE':
      return { normalizePath: false };
    case 'BASE':
      return { normalizePath: true };
    case 'MERGE_SLASHES':
      return { normalizePath: true, mergeSlashes: true };
    case 'DECODE_AND_MERGE_SLASHES':
      return {
        normalizePath: true,
        mergeSlashes: true,
        pathWithEscapedSlashesAction: HttpConnectionManager_PathWithEscapedSlashesAction.UNESCAPE_AND_FORWARD,
      };
  }
}

/** A gateway serves whoever is outside, and calls for them: one log, of both. */
const isServer = (side: HttpSide): boolean => side === 'inbound';

/** Inside the mesh, long polls and streams have no limit but those that routes set. */
const UNLIMITED_STREAMS: Hcm = { streamIdleTimeout: duration(0) };
const NO_LIMITS: AppliedLimits = { spec: {}, refs: [] };

/** What is trusted of the caller, and what it is told. */
function sideOf(side: HttpSide, { serverName, gatewayTopology }: MeshOptions): Hcm {
  switch (side) {
    case 'inbound':
      return {
        ...UNLIMITED_STREAMS,
        useRemoteAddress: false,
        serverName,
        forwardClientCertDetails: HttpConnectionManager_ForwardClientCertDetails.APPEND_FORWARD,
        setCurrentClientCertDetails: { subject: true, dns: true, uri: true },
      };
    case 'gateway':
      return {
        useRemoteAddress: true,
        xffNumTrustedHops: gatewayTopology.numTrustedProxies,
        // Applications that turn names into variables would take `x_forwarded_for` for `x-forwarded-for`.
        commonHttpProtocolOptions: {
          headersWithUnderscoresAction: HttpProtocolOptions_HeadersWithUnderscoresAction.REJECT_REQUEST,
        },
        // Whoever is outside may be slow on purpose.
        streamIdleTimeout: duration(EDGE_TIMEOUT_MS),
        requestTimeout: duration(EDGE_TIMEOUT_MS),
        serverName,
        forwardClientCertDetails:
          HttpConnectionManager_ForwardClientCertDetails[gatewayTopology.forwardClientCertDetails],
        setCurrentClientCertDetails: { subject: true, cert: true, dns: true, uri: true },
      };
    case 'http-proxy':
      return { ...UNLIMITED_STREAMS, useRemoteAddress: false, httpProtocolOptions: { allowAbsoluteUrl: true } };
    case 'outbound':
      return { ...UNLIMITED_STREAMS, useRemoteAddress: false };
  }
}

/** Fault and CORS do nothing here: routes carry their settings. */
function httpFilters(
  { side, authorization = [], limits, grpcWeb }: HttpStack,
  context: GeneratorContext,
): HttpFilter[] {
  const { scope } = context;
  const onRoutes =
    side === 'inbound'
      ? []
      : [httpFilter(FAULT_FILTER, pack(HTTPFaultSchema)), httpFilter(CORS_FILTER, pack(CorsSchema))];
  const sessions =
    side !== 'inbound' && scope.clusterServices.some(({ session }) => session !== undefined)
      ? [httpFilter(SESSION_FILTER, pack(StatefulSessionSchema))]
      : [];
  return [
    ...authorization,
    ...(limits ?? outboundLimitFilters(context)),
    ...(grpcWeb === true ? [httpFilter(GRPC_WEB_FILTER, pack(GrpcWebSchema))] : []),
    ...onRoutes,
    ...sessions,
    httpFilter(ROUTER_FILTER, pack(RouterSchema)),
  ];
}

export const httpFilter = (name: string, value: ReturnType<typeof pack>): HttpFilter =>
  create(HttpFilterSchema, { name, configType: { case: 'typedConfig', value } });

/** A caller's own decision is kept; the rate is for requests without one. */
function tracing({ snapshot, proxy }: GeneratorContext): Init<typeof HttpConnectionManager_TracingSchema> {
  const tags: readonly (readonly [string, string])[] = [
    ['istio.canonical_revision', canonicalRevision(proxy.labels)],
    ['istio.canonical_service', canonicalName(proxy.labels, proxy.name)],
    ['istio.cluster_id', snapshot.mesh.clusterId],
    ['istio.namespace', proxy.namespace],
  ];
  return {
    clientSampling: { value: 100 },
    randomSampling: { value: snapshot.mesh.tracingSampling },
    overallSampling: { value: 100 },
    customTags: tags.map(([tag, value]) => ({ tag, type: { case: 'literal', value: { value } } })),
  };
}
