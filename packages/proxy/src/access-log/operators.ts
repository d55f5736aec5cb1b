// Envoy's format operators over a request record, compiled when the configuration arrives.
import { CelTime, type CelValue } from '@weft/expr';
import { ConfigRejectedError } from '@weft/evaluator';
import type { RequestRecord } from '../request-record.ts';
import { formatFlags, formatLongFlags } from '../response-flags.ts';
import type { WantedHeaders } from './captures.ts';
import { commonDuration, DURATIONS } from './durations.ts';
import { compileRecordExpression } from './expressions.ts';
import { formatGrpcStatus } from './grpc-status-names.ts';
import { requestHeader, responseHeader, responseTrailer } from './header-values.ts';
import { formatTime } from './start-time.ts';

/** One value of a line; undefined prints as `-` in text and null in JSON. */
export type Operator = (record: RequestRecord) => string | number | undefined;

/** What operators need beside the record. */
export interface OperatorContext {
  readonly resource: string;
  readonly wanted: WantedHeaders;
  readonly hostname: string;
  readonly environment: (name: string) => string | undefined;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

const some = (text: string): string | undefined => (text === '' ? undefined : text);
const withoutPort = (address: string): string | undefined => some(address.replace(/:\d+$/, ''));
const portOf = (address: string): number | undefined => {
  const port = /:(\d+)$/.exec(address)?.[1];
  return port === undefined ? undefined : Number(port);
};
const isTcp = (record: RequestRecord): boolean => record.protocol === 'TCP';
const isInbound = (record: RequestRecord): boolean => record.direction === 'inbound';
const grpcStatusOf = ({ grpcStatus }: RequestRecord): number | undefined =>
  grpcStatus < 0 || grpcStatus > 16 ? undefined : grpcStatus;

/** An address in its three forms. */
const addressForms = (name: string, read: (record: RequestRecord) => string): Readonly<Record<string, Operator>> => ({
  [`${name}_ADDRESS`]: (record) => some(read(record)),
  [`${name}_ADDRESS_WITHOUT_PORT`]: (record) => withoutPort(read(record)),
  [`${name}_PORT`]: (record) => portOf(read(record)),
});

const PLAIN: Readonly<Record<string, Operator>> = {
  ...DURATIONS,
  ...addressForms('DOWNSTREAM_LOCAL', ({ downstreamLocalAddress }) => downstreamLocalAddress),
  ...addressForms('DOWNSTREAM_DIRECT_LOCAL', ({ downstreamLocalAddress }) => downstreamLocalAddress),
  ...addressForms('DOWNSTREAM_REMOTE', ({ downstreamRemoteAddress }) => downstreamRemoteAddress),
  ...addressForms('DOWNSTREAM_DIRECT_REMOTE', ({ downstreamRemoteAddress }) => downstreamRemoteAddress),
  ...addressForms('UPSTREAM_LOCAL', ({ upstreamLocalAddress }) => upstreamLocalAddress),
  ...addressForms('UPSTREAM_REMOTE', ({ upstreamHost }) => upstreamHost),
  PROTOCOL: (record) => (isTcp(record) ? undefined : record.protocol),
  RESPONSE_CODE: (record) => record.code,
  RESPONSE_CODE_DETAILS: (record) => some(record.details),
  RESPONSE_FLAGS: (record) => formatFlags(record.flags),
  RESPONSE_FLAGS_LONG: (record) => formatLongFlags(record.flags),
  CONNECTION_TERMINATION_DETAILS: (record) => some(record.connectionTermination),
  UPSTREAM_TRANSPORT_FAILURE_REASON: (record) => some(record.upstreamTransportFailure),
  BYTES_RECEIVED: (record) => record.requestBytes,
  BYTES_SENT: (record) => record.responseBytes,
  UPSTREAM_HOST: (record) => some(record.upstreamHost),
  UPSTREAM_HOST_NAME: (record) => some(record.upstreamHostName) ?? some(record.upstreamHost),
  UPSTREAM_HOST_NAME_WITHOUT_PORT: (record) => some(record.upstreamHostName) ?? withoutPort(record.upstreamHost),
  UPSTREAM_CLUSTER: (record) => some(record.cluster),
  UPSTREAM_CLUSTER_RAW: (record) => some(record.cluster),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: (record) => record.attempts,
  UPSTREAM_PEER_URI_SAN: (record) => (isInbound(record) ? undefined : some(record.destinationPrincipal)),
  UPSTREAM_LOCAL_URI_SAN: (record) => (isInbound(record) ? undefined : some(record.sourcePrincipal)),
  DOWNSTREAM_PEER_URI_SAN: (record) => (isInbound(record) ? some(record.sourcePrincipal) : undefined),
  DOWNSTREAM_LOCAL_URI_SAN: (record) => (isInbound(record) ? some(record.destinationPrincipal) : undefined),
  DOWNSTREAM_PEER_SUBJECT: (record) => some(record.peerSubject),
  DOWNSTREAM_PEER_FINGERPRINT_256: (record) => some(record.peerFingerprint),
  REQUESTED_SERVER_NAME: (record) => some(record.requestedServerName),
  ROUTE_NAME: (record) => some(record.routeName),
  GRPC_STATUS_NUMBER: grpcStatusOf,
  LOCAL_REPLY_BODY: (record) => some(record.localReply),
  STREAM_ID: (record) => some(record.requestId),
  TRACE_ID: (record) => some(record.traceId),
  ACCESS_LOG_TYPE: (record) => (isTcp(record) ? 'TcpConnectionEnd' : 'DownstreamEnd'),
  QUERY_PARAMS: (record) => queryOf(record),
  WEFT_REASON: (record) => some(record.reason),
};

// Envoy's, of things that this proxy does not have or does not measure: they print as missing.
const NEVER_SET =
  /^(?:(?:UP|DOWN)STREAM_(?:WIRE|HEADER|DECOMPRESSED_HEADER)_BYTES_(?:SENT|RECEIVED)|BYTES_RETRANSMITTED|PACKETS_RETRANSMITTED|CONNECTION_ID|UNIQUE_ID|UPSTREAM_CONNECTION_ID|UPSTREAM_PROTOCOL|UPSTREAM_(?:CONNECTION_POOL_READY|CX)_DURATION|ROUNDTRIP_DURATION|(?:UP|DOWN)STREAM_(?:PEER|LOCAL)_(?:DNS_SAN|IP_SAN|EMAIL_SAN|OTHERNAME_SAN|SUBJECT|ISSUER|CERT|CERT_V_START|CERT_V_END|SERIAL|FINGERPRINT_1|FINGERPRINT_256)|DOWNSTREAM_PEER_CHAIN_(?:FINGERPRINTS_1|FINGERPRINTS_256|SERIALS)|(?:UP|DOWN)STREAM_TLS_(?:VERSION|CIPHER|SESSION_ID)|DOWNSTREAM_TRANSPORT_FAILURE_REASON|DOWNSTREAM_(?:DETECTED|LOCAL)_CLOSE_(?:TYPE|REASON)|UPSTREAM_(?:DETECTED|LOCAL)_CLOSE_(?:TYPE|REASON)|DOWNSTREAM_DIRECT_LOCAL_ADDRESS|TLS_JA[34]_FINGERPRINT|VIRTUAL_CLUSTER_NAME|FILTER_CHAIN_NAME|UPSTREAM_HOSTS_ATTEMPTED(?:_WITHOUT_PORT)?|UPSTREAM_HOST_NAMES_ATTEMPTED(?:_WITHOUT_PORT)?|UPSTREAM_CONNECTION_IDS_ATTEMPTED|DYNAMIC_METADATA|CLUSTER_METADATA|UPSTREAM_METADATA|ROUTE_METADATA|METADATA|FILTER_STATE|UPSTREAM_FILTER_STATE|TYPED_FILTER_STATE|COALESCE|PATH_TEMPLATE)$/;
// No log holds what lets a reader act as its caller.
const SECRETS = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie']);
const OPERATOR = /^([A-Z0-9_]+)(?:\((.*)\))?(?::(\d+))?$/s;

/** Compiles what stands between two percent signs. @throws {ConfigRejectedError} naming an operator that is not known here. */
export function compileOperator(text: string, context: OperatorContext): Operator {
  const [, name = '', argument, limit] = OPERATOR.exec(text) ?? [];
  const operator = find(name, argument, context);
  if (operator === undefined) {
    throw new ConfigRejectedError(context.resource, `access log operator %${text}% is not supported`);
  }
  if (limit === undefined) return operator;
  const length = Number(limit);
  return (record) => {
    const value = operator(record);
    return typeof value === 'string' ? value.slice(0, length) : value;
  };
}

function find(name: string, argument: string | undefined, context: OperatorContext): Operator | undefined {
  const { resource, wanted } = context;
  if (argument === undefined) {
    const plain = Object.hasOwn(PLAIN, name) ? PLAIN[name] : undefined;
    if (plain !== undefined) return plain;
  }
  switch (name) {
    case 'START_TIME':
    case 'START_TIME_LOCAL':
    case 'EMIT_TIME':
    case 'EMIT_TIME_LOCAL': {
      const format = formatTime(argument ?? '');
      if (format === undefined)
        throw new ConfigRejectedError(resource, `access log time format "${argument ?? ''}" is not supported`);
      return name.startsWith('EMIT') ? () => format(context.now()) : (record) => format(record.startMs);
    }
    case 'REQ':
      return alternatives(argument, (header) => guarded(header, requestHeader(header, wanted)));
    case 'REQ_WITHOUT_QUERY': {
      const value = alternatives(argument, (header) => guarded(header, requestHeader(header, wanted)));
      return (record) => {
        const text = value?.(record);
        return typeof text === 'string' ? text.split('?')[0] : text;
      };
    }
    case 'RESP':
      return alternatives(argument, (header) => guarded(header, responseHeader(header, wanted)));
    case 'TRAILER':
      return alternatives(argument, (header) => guarded(header, responseTrailer(header, wanted)));
    case 'QUERY_PARAM':
      return argument === undefined ? undefined : (record) => parameter(queryOf(record) ?? '', argument);
    case 'PATH':
      return pathOperator(argument ?? '');
    case 'GRPC_STATUS':
      return (record) => formatGrpcStatus(grpcStatusOf(record), argument ?? '');
    case 'COMMON_DURATION':
      return commonDuration(argument ?? '');
    case 'HOSTNAME':
      return () => some(context.hostname);
    case 'ENVIRONMENT':
      return argument === undefined ? undefined : environment(argument, context);
    case 'CEL':
      return argument === undefined ? undefined : expression(argument, context);
    default:
      return NEVER_SET.test(name) ? () => undefined : undefined;
  }
}

/** `X?Y`: the second where the first is missing. */
function alternatives(argument: string | undefined, read: (header: string) => Operator): Operator | undefined {
  if (argument === undefined || argument === '') return undefined;
  const [main = '', other] = argument.split('?');
  const first = read(main);
  if (other === undefined) return first;
  const second = read(other);
  return (record) => first(record) ?? second(record);
}

const guarded = (header: string, read: (record: RequestRecord) => string | undefined): Operator =>
  SECRETS.has(header.toLowerCase())
    ? (record) => (read(record) === undefined ? undefined : '[redacted]')
    : NUMBERS.has(header.toLowerCase())
      ? (record) => {
          const text = read(record);
          return text === undefined ? undefined : Number(text);
        }
      : read;

// They stay numbers in JSON.
const NUMBERS = new Set([':status', 'x-envoy-upstream-service-time']);

const queryOf = ({ path }: RequestRecord): string | undefined => {
  const mark = path.indexOf('?');
  return mark < 0 ? undefined : path.slice(mark + 1);
};

const parameter = (query: string, name: string): string | undefined => {
  for (const part of query.split('&')) if (part.startsWith(`${name}=`)) return part.slice(name.length + 1);
  return undefined;
};

/** `PATH(WQ|NQ:…)`: with or without the query. A record keeps the path as it was received. */
function pathOperator(argument: string): Operator | undefined {
  const [query = '', which = ''] = argument.split(':');
  if (!['', 'WQ', 'NQ'].includes(query) || !['', 'ORIG', 'PATH', 'ORIG_OR_PATH'].includes(which)) return undefined;
  return ({ path }) => some(query === 'NQ' ? (path.split('?')[0] ?? '') : path);
}

function environment(name: string, context: OperatorContext): Operator {
  const value = context.environment(name);
  return () => value;
}

function expression(text: string, { wanted, resource }: OperatorContext): Operator {
  const evaluate = compileRecordExpression(text, wanted, resource);
  return (record) => printable(evaluate(record));
}

function printable(value: CelValue | undefined): string | number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string' || typeof value === 'number') return value;
  if (value instanceof CelTime)
    return value.kind === 'duration' ? `${value.ms / 1000}s` : new Date(value.ms).toISOString();
  return typeof value === 'boolean' ? String(value) : undefined;
}
