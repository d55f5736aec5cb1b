// Envoy's format operators over a request record, compiled when the configuration arrives.
import { ConfigRejectedError } from '@weft/evaluator';
import type { RequestRecord } from '../request-record.ts';
import { formatFlags } from '../response-flags.ts';
import { formatTime } from './start-time.ts';

/** One value of a line; undefined prints as `-` in text and null in JSON. */
export type Operator = (record: RequestRecord) => string | number | undefined;

const some = (text: string): string | undefined => (text === '' ? undefined : text);
const withoutPort = (address: string): string => address.replace(/:\d+$/, '');
const portOf = (address: string): number | undefined => {
  const port = /:(\d+)$/.exec(address)?.[1];
  return port === undefined ? undefined : Number(port);
};
const isTcp = (record: RequestRecord): boolean => record.protocol === 'TCP';
const isInbound = (record: RequestRecord): boolean => record.direction === 'inbound';

const PLAIN: Readonly<Record<string, Operator>> = {
  PROTOCOL: (record) => (isTcp(record) ? undefined : record.protocol),
  RESPONSE_CODE: (record) => record.code,
  RESPONSE_CODE_DETAILS: (record) => some(record.details),
  RESPONSE_FLAGS: (record) => formatFlags(record.flags),
  CONNECTION_TERMINATION_DETAILS: (record) => some(record.connectionTermination),
  UPSTREAM_TRANSPORT_FAILURE_REASON: (record) => some(record.upstreamTransportFailure),
  BYTES_RECEIVED: (record) => record.requestBytes,
  BYTES_SENT: (record) => record.responseBytes,
  DURATION: (record) => Math.round(record.durationMs),
  UPSTREAM_HOST: (record) => some(record.upstreamHost),
  UPSTREAM_REMOTE_ADDRESS: (record) => some(record.upstreamHost),
  UPSTREAM_CLUSTER: (record) => some(record.cluster),
  UPSTREAM_CLUSTER_RAW: (record) => some(record.cluster),
  UPSTREAM_LOCAL_ADDRESS: (record) => some(record.upstreamLocalAddress),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: (record) => record.attempts,
  DOWNSTREAM_LOCAL_ADDRESS: (record) => some(record.downstreamLocalAddress),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: (record) => some(withoutPort(record.downstreamLocalAddress)),
  DOWNSTREAM_LOCAL_PORT: (record) => portOf(record.downstreamLocalAddress),
  DOWNSTREAM_REMOTE_ADDRESS: (record) => some(record.downstreamRemoteAddress),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: (record) => some(record.downstreamRemoteAddress),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: (record) => some(withoutPort(record.downstreamRemoteAddress)),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: (record) => some(withoutPort(record.downstreamRemoteAddress)),
  DOWNSTREAM_REMOTE_PORT: (record) => portOf(record.downstreamRemoteAddress),
  DOWNSTREAM_PEER_URI_SAN: (record) => (isInbound(record) ? some(record.sourcePrincipal) : undefined),
  DOWNSTREAM_LOCAL_URI_SAN: (record) => (isInbound(record) ? some(record.destinationPrincipal) : undefined),
  UPSTREAM_PEER_URI_SAN: (record) => (isInbound(record) ? undefined : some(record.destinationPrincipal)),
  REQUESTED_SERVER_NAME: (record) => some(record.requestedServerName),
  ROUTE_NAME: (record) => some(record.routeName),
  WEFT_REASON: (record) => some(record.reason),
};

/** Request headers that a record keeps. */
const REQUEST_HEADERS: Readonly<Record<string, (record: RequestRecord) => string>> = {
  ':method': (record) => record.method,
  ':path': (record) => record.path,
  // A record keeps the path as it was received.
  'x-envoy-original-path': (record) => record.path,
  ':authority': (record) => record.authority,
  host: (record) => record.authority,
  ':scheme': (record) => (isTcp(record) ? '' : record.scheme),
  'x-forwarded-for': (record) => record.forwardedFor,
  'user-agent': (record) => record.userAgent,
  'x-request-id': (record) => record.requestId,
};

const RESPONSE_HEADERS: Readonly<Record<string, Operator>> = {
  ':status': (record) => (record.code === 0 ? undefined : record.code),
  'x-envoy-upstream-service-time': (record) => (record.upstreamMs < 0 ? undefined : Math.round(record.upstreamMs)),
  'x-weft-reason': (record) => some(record.reason),
};

const OPERATOR = /^([A-Z0-9_]+)(?:\((.*)\))?(?::(\d+))?$/s;

/** Compiles what stands between two percent signs. @throws {ConfigRejectedError} naming an operator that is not known here. */
export function compileOperator(text: string, resource: string): Operator {
  const [, name = '', argument, limit] = OPERATOR.exec(text) ?? [];
  const operator = find(name, argument, resource);
  if (operator === undefined) {
    throw new ConfigRejectedError(resource, `access log operator %${text}% is not supported`);
  }
  if (limit === undefined) return operator;
  const length = Number(limit);
  return (record) => {
    const value = operator(record);
    return typeof value === 'string' ? value.slice(0, length) : value;
  };
}

function find(name: string, argument: string | undefined, resource: string): Operator | undefined {
  switch (name) {
    case 'START_TIME': {
      const format = formatTime(argument ?? '');
      if (format === undefined)
        throw new ConfigRejectedError(resource, `access log time format "${argument ?? ''}" is not supported`);
      return (record) => format(record.startMs);
    }
    case 'REQ':
    case 'REQ_WITHOUT_QUERY': {
      const [main, alternative] = (argument ?? '').toLowerCase().split('?');
      const read = REQUEST_HEADERS[main ?? ''];
      const otherwise = alternative === undefined ? undefined : REQUEST_HEADERS[alternative];
      if (read === undefined || (alternative !== undefined && otherwise === undefined)) return undefined;
      const value: Operator = (record) =>
        some(read(record)) ?? (otherwise === undefined ? undefined : some(otherwise(record)));
      return name === 'REQ' ? value : (record) => String(value(record) ?? '').split('?')[0];
    }
    case 'RESP':
      return RESPONSE_HEADERS[(argument ?? '').toLowerCase()];
    case 'TRAILER':
    case 'FILTER_STATE':
    case 'DYNAMIC_METADATA':
      // Known, and never set by what this proxy does.
      return () => undefined;
    default:
      return argument === undefined ? PLAIN[name] : undefined;
  }
}
