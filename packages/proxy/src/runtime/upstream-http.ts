import type { Cluster as ClusterMessage } from '@weft/contracts/lean/envoy/config/cluster/v3/cluster';
import type { Http1ProtocolOptions, Http2ProtocolOptions } from '@weft/contracts/lean/envoy/config/core/v3/protocol';
import {
  type HttpProtocolOptions,
  HttpProtocolOptionsSchema,
} from '@weft/contracts/lean/envoy/extensions/upstreams/http/v3/http_protocol_options';
import { CARRIES_HTTP1, WEFT_METADATA } from '@weft/contracts';
import { keepaliveSetter } from '../sockets/keepalive.ts';
import type { CircuitLimits } from '../upstream/circuit.ts';
import type { UpstreamHttp } from '../upstream/upstream-http.ts';
import { DEFAULT_HEAD_LIMITS } from '../http1/head-parser.ts';
import { DEFAULT_H2_LIMITS } from '../http2/connection/options.ts';
import { unpack } from './any.ts';
import { millisOr } from './durations.ts';
import { floodLimits } from './http2-limits.ts';

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

const DEFAULT_IDLE_TIMEOUT_MS = 3_600_000;
// As many as most servers allow; what a server says itself holds where it is less.
const DEFAULT_CONCURRENT_STREAMS = 1024;
const DEFAULT_PING_TIMEOUT_MS = 20_000;

/** How HTTP is spoken to the hosts of a cluster. @throws {ConfigRejectedError} naming the field. */
export function upstreamHttp(message: ClusterMessage, circuit: CircuitLimits, resource: string): UpstreamHttp {
  const options = unpack(message.typedExtensionProtocolOptions[HTTP_OPTIONS], HttpProtocolOptionsSchema, resource);
  const common = options?.commonHttpProtocolOptions;
  const { protocol, http1, http2 } = spoken(options);
  const keepalive = message.upstreamConnectionOptions?.tcpKeepalive;
  const maxRequestsPerConnection = common?.maxRequestsPerConnection ?? message.maxRequestsPerConnection ?? 0;
  return {
    protocol,
    autoSni: options?.upstreamHttpProtocolOptions?.autoSni ?? false,
    sanValidation: options?.upstreamHttpProtocolOptions?.autoSanValidation ?? false,
    idleTimeoutMs: millisOr(common?.idleTimeout, DEFAULT_IDLE_TIMEOUT_MS),
    maxRequestsPerConnection,
    // Who counts connections of HTTP/1.1 means requests at a time, and gets them.
    carries:
      circuit.maxConnections === Infinity &&
      circuit.maxPending === Infinity &&
      maxRequestsPerConnection === 0 &&
      message.metadata?.filterMetadata[WEFT_METADATA]?.[CARRIES_HTTP1] !== false,
    maxConnectionDurationMs: millisOr(common?.maxConnectionDuration, 0),
    headLimits: { ...DEFAULT_HEAD_LIMITS, maxFields: common?.maxHeadersCount ?? DEFAULT_HEAD_LIMITS.maxFields },
    trailers: http1?.enableTrailers ?? false,
    http2: {
      floods: floodLimits(http2, DEFAULT_H2_LIMITS),
      maxConcurrentStreams: http2?.maxConcurrentStreams ?? DEFAULT_CONCURRENT_STREAMS,
      keepalive:
        http2?.connectionKeepalive?.interval === undefined
          ? undefined
          : {
              intervalMs: millisOr(http2.connectionKeepalive.interval, 0),
              timeoutMs: millisOr(http2.connectionKeepalive.timeout, DEFAULT_PING_TIMEOUT_MS),
            },
    },
    keepalive:
      keepalive === undefined
        ? undefined
        : keepaliveSetter({
            idleSeconds: keepalive.keepaliveTime ?? 0,
            intervalSeconds: keepalive.keepaliveInterval ?? 0,
            probes: keepalive.keepaliveProbes ?? 0,
          }),
  };
}

interface Spoken {
  readonly protocol: UpstreamHttp['protocol'];
  readonly http1: Http1ProtocolOptions | undefined;
  readonly http2: Http2ProtocolOptions | undefined;
}

function spoken(options: HttpProtocolOptions | undefined): Spoken {
  const choice = options?.upstreamProtocolOptions;
  switch (choice?.case) {
    case 'explicitHttpConfig': {
      const { protocolConfig } = choice.value;
      return protocolConfig.case === 'http2ProtocolOptions'
        ? { protocol: 'http2', http1: undefined, http2: protocolConfig.value }
        : { protocol: 'http1', http1: protocolConfig.value, http2: undefined };
    }
    case 'useDownstreamProtocolConfig':
      return {
        protocol: 'downstream',
        http1: choice.value.httpProtocolOptions,
        http2: choice.value.http2ProtocolOptions,
      };
    case 'autoConfig':
      return { protocol: 'auto', http1: choice.value.httpProtocolOptions, http2: choice.value.http2ProtocolOptions };
    default:
      return { protocol: 'http1', http1: undefined, http2: undefined };
  }
}
