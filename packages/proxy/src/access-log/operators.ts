// Envoy's format operators over a request record, compiled when the configuration arrives.
import { CelTime, type CelValue } from '@weft/expr';
import { ConfigRejectedError } from '@weft/evaluator';
import type { RequestRecord } from '../request-record.ts';
import { formatFlags, formatLongFlags } from '../response-flags.ts';
import { addressOperator, withoutPort } from './address-operators.ts';
import { connectionOperator } from './connection-operators.ts';
import { commonDuration, DURATIONS } from './durations.ts';
import { compileRecordExpression } from './expressions.ts';
import { formatGrpcStatus } from './grpc-status-names.ts';
import { requestHeader, responseHeader, responseTrailer } from './header-values.ts';
import { type LogValue, type Operator, type OperatorContext, some } from './log-value.ts';
import { filterState, metadataOperator } from './metadata-operators.ts';
import { formatTime } from './start-time.ts';

const isTcp = (record: RequestRecord): boolean => record.protocol === 'TCP';
const isInbound = (record: RequestRecord): boolean => record.direction === 'inbound';
/** A certificate without a URI stands for its DNS name. */
const uri = (principal: string | undefined): string | undefined =>
  principal !== undefined && principal.includes('://') ? principal : undefined;
const grpcStatusOf = ({ grpcStatus }: RequestRecord): number | undefined =>
  grpcStatus < 0 || grpcStatus > 16 ? undefined : grpcStatus;

const PLAIN: Readonly<Record<string, Operator>> = {
  ...DURATIONS,
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
  DOWNSTREAM_PEER_URI_SAN: ({ connection }) => uri(connection?.peerPrincipal),
  DOWNSTREAM_LOCAL_URI_SAN: ({ connection }) => uri(connection?.ownPrincipal),
  DOWNSTREAM_PEER_SUBJECT: (record) => some(record.peerSubject),
  DOWNSTREAM_PEER_FINGERPRINT_256: (record) => some(record.peerFingerprint),
  ROUTE_NAME: (record) => some(record.routeName),
  GRPC_STATUS_NUMBER: grpcStatusOf,
  LOCAL_REPLY_BODY: (record) => record.localReply,
  // Of QUIC.
  BYTES_RETRANSMITTED: () => 0,
  PACKETS_RETRANSMITTED: () => 0,
  TRACE_ID: (record) => some(record.traceId),
  SPAN_ID: (record) => some(record.spanId),
  ACCESS_LOG_TYPE: (record) => (isTcp(record) ? 'TcpConnectionEnd' : 'DownstreamEnd'),
  QUERY_PARAMS: (record) => queryOf(record),
  WEFT_REASON: (record) => some(record.reason),
};

// Envoy's, of things that this proxy does not have or does not measure: they print as missing (docs/access-logs.md).
const NEVER_SET = new RegExp(
  `^(?:${[
    '(?:UP|DOWN)STREAM_DECOMPRESSED_HEADER_BYTES_(?:SENT|RECEIVED)',
    'DOWNSTREAM_CX_RTT',
    'ROUNDTRIP_DURATION',
    'DOWNSTREAM_HANDSHAKE_DURATION',
    '(?:UP|DOWN)STREAM_(?:PEER|LOCAL)_OTHERNAME_SAN',
    'DOWNSTREAM_PEER_CHAIN_(?:FINGERPRINTS_1|FINGERPRINTS_256|SERIALS)',
    'DOWNSTREAM_PEER_ISSUER_(?:FINGERPRINT_256|SERIAL)',
    'DOWNSTREAM_TLS_GROUP',
    '(?:UP|DOWN)STREAM_(?:DETECTED_CLOSE_TYPE|LOCAL_CLOSE_REASON)',
    '(?:UP|DOWN)STREAM_(?:DIRECT_)?(?:LOCAL|REMOTE)_ADDRESS_ENDPOINT_ID',
    'TLS_JA[34]_FINGERPRINT',
    'VIRTUAL_CLUSTER_NAME',
    'CUSTOM_FLAGS',
    'UPSTREAM_FILTER_STATE',
  ].join('|')})$`,
);
// No log holds what lets a reader act as its caller.
const SECRETS = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie']);
const OPERATOR = /^([A-Z0-9_]+)(?:\((.*)\))?(?::(\d+))?$/s;
// Longer words for the same.
const SAME: Readonly<Record<string, string>> = {
  REQUEST_HEADER: 'REQ',
  RESPONSE_HEADER: 'RESP',
  RESPONSE_TRAILER: 'TRAILER',
  TYPED_FILTER_STATE: 'FILTER_STATE',
};

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

function find(written: string, argument: string | undefined, context: OperatorContext): Operator | undefined {
  const { resource, wanted } = context;
  const name = SAME[written] ?? written;
  if (argument === undefined || argument === '') {
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
    case 'TYPED_CEL':
      return argument === undefined ? undefined : expression(argument, context, name === 'TYPED_CEL');
    case 'STREAM_ID':
      if (argument !== undefined) return undefined;
      return (record) => {
        // Kept, so that all lines about it agree.
        if (record.requestId === '') record.requestId = context.uniqueId();
        return record.requestId;
      };
    case 'UNIQUE_ID':
      return argument === undefined ? context.uniqueId : undefined;
    case 'REQUESTED_SERVER_NAME':
      return serverName(argument ?? '');
    case 'QUERY_PARAMS':
      if (argument === 'DECODED') return (record) => decoded(queryOf(record));
      return argument === 'ORIG' ? queryOf : undefined;
    case 'FILTER_STATE':
      return filterState(argument);
    case 'COALESCE':
      return coalesce(argument ?? '', context);
    default:
      return (
        addressOperator(name, argument) ??
        connectionOperator(name, argument, context) ??
        metadataOperator(name, argument, context) ??
        (NEVER_SET.test(name) ? () => undefined : undefined)
      );
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
  SECRETS.has(header.toLowerCase()) ? (record) => (read(record) === undefined ? undefined : '[redacted]') : read;

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

/** `REQUESTED_SERVER_NAME(X:Y)`: the name of the TLS handshake, or else the host. A record keeps the host as it was received. */
function serverName(argument: string): Operator | undefined {
  const [order = '', which = ''] = argument.split(':');
  if (!['', 'ORIG', 'HOST', 'ORIG_OR_HOST'].includes(which)) return undefined;
  const sni: Operator = ({ requestedServerName }) => some(requestedServerName);
  const host: Operator = ({ authority }) => some(authority);
  switch (order) {
    case '':
    case 'SNI_ONLY':
      return sni;
    case 'SNI_FIRST':
      return (record) => sni(record) ?? host(record);
    case 'HOST_FIRST':
      return (record) => host(record) ?? sni(record);
    default:
      return undefined;
  }
}

function decoded(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** `COALESCE({"operators": ["NAME", {"command", "param", "max_length"}]})`: the first that has a value. */
function coalesce(argument: string, context: OperatorContext): Operator | undefined {
  let config: unknown;
  try {
    config = JSON.parse(argument);
  } catch {
    return undefined;
  }
  const list: unknown =
    typeof config === 'object' && config !== null && 'operators' in config ? config.operators : undefined;
  if (!Array.isArray(list) || list.length === 0) return undefined;
  const operators = list.map((entry: unknown) => coalesced(entry, context));
  return (record) => {
    for (const operator of operators) {
      const value = operator(record);
      if (value !== undefined && value !== '') return value;
    }
    return undefined;
  };
}

function coalesced(entry: unknown, context: OperatorContext): Operator {
  if (typeof entry === 'string') return compileOperator(entry, context);
  const { command, param, max_length: limit } = (entry ?? {}) as Readonly<Record<string, unknown>>;
  const whole =
    typeof command === 'string' &&
    (param === undefined || typeof param === 'string') &&
    (limit === undefined || (typeof limit === 'number' && Number.isInteger(limit) && limit >= 0));
  if (!whole)
    throw new ConfigRejectedError(context.resource, 'access log operator COALESCE: an operator is not written so');
  return compileOperator(
    `${command}${param === undefined ? '' : `(${param})`}${limit === undefined ? '' : `:${limit}`}`,
    context,
  );
}

function environment(name: string, context: OperatorContext): Operator {
  const value = context.environment(name);
  return () => value;
}

function expression(text: string, { wanted, resource }: OperatorContext, typed: boolean): Operator {
  const evaluate = compileRecordExpression(text, wanted, resource);
  return (record) => {
    const value = printable(evaluate(record));
    return typeof value === 'boolean' && !typed ? String(value) : value;
  };
}

function printable(value: CelValue | undefined): LogValue {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  if (value instanceof CelTime)
    return value.kind === 'duration' ? `${value.ms / 1000}s` : new Date(value.ms).toISOString();
  return undefined;
}
