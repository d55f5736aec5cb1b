// What CEL expressions of filters and formats read of a request.
import { compileCel, type CelMap, CelTime, type CelValue, REQUEST_ATTRIBUTES } from '@weft/expr';
import { ConfigRejectedError } from '@weft/evaluator';
import { errorMessage } from '@weft/kit';
import type { RequestRecord } from '../request-record.ts';
import { formatFlags } from '../response-flags.ts';
import type { Wanted } from './captures.ts';
import { requestHeader, responseHeader, responseTrailer } from './header-values.ts';

/** @returns undefined where the expression has no value for this request. */
export type RecordExpression = (record: RequestRecord) => CelValue | undefined;

type Attribute = (record: RequestRecord) => CelValue | undefined;
type Read = (name: string, wanted: Wanted) => (record: RequestRecord) => string | undefined;

const some = (text: string): string | undefined => (text === '' ? undefined : text);
const hostOf = (address: string): string | undefined => some(address.replace(/:\d+$/, ''));
const portOf = (address: string): number | undefined => {
  const port = /:(\d+)$/.exec(address)?.[1];
  return port === undefined ? undefined : Number(port);
};
const pathOf = ({ path }: RequestRecord): string => path.split('?')[0] ?? '';
const duration = (ms: number): CelTime => new CelTime('duration', ms);

const ATTRIBUTES: Readonly<Record<string, Readonly<Record<string, Attribute>>>> = {
  request: {
    path: ({ path }) => some(path),
    url_path: (record) => some(pathOf(record)),
    query: ({ path }) => path.split('?').slice(1).join('?'),
    host: ({ authority }) => some(authority),
    scheme: ({ scheme }) => scheme,
    method: ({ method }) => some(method),
    useragent: ({ userAgent }) => some(userAgent),
    id: ({ requestId }) => some(requestId),
    protocol: ({ protocol }) => protocol,
    time: ({ startMs }) => new CelTime('timestamp', startMs),
    duration: ({ durationMs }) => duration(durationMs),
    size: ({ requestBytes }) => requestBytes,
  },
  response: {
    code: ({ code }) => (code === 0 ? undefined : code),
    code_details: ({ details }) => some(details),
    flags: ({ flags }) => flags,
    flags_text: ({ flags }) => formatFlags(flags),
    grpc_status: ({ grpcStatus }) => (grpcStatus < 0 ? undefined : grpcStatus),
    size: ({ responseBytes }) => responseBytes,
    backend_latency: ({ upstreamMs }) => (upstreamMs < 0 ? undefined : duration(upstreamMs)),
  },
  source: {
    address: ({ downstreamRemoteAddress }) => some(downstreamRemoteAddress),
    port: ({ downstreamRemoteAddress }) => portOf(downstreamRemoteAddress),
    ip: ({ downstreamRemoteAddress }) => hostOf(downstreamRemoteAddress),
  },
  destination: {
    address: ({ downstreamLocalAddress }) => some(downstreamLocalAddress),
    port: ({ downstreamLocalAddress }) => portOf(downstreamLocalAddress),
    ip: ({ downstreamLocalAddress }) => hostOf(downstreamLocalAddress),
  },
  connection: {
    mtls: ({ mutualTls }) => mutualTls,
    requested_server_name: ({ requestedServerName }) => some(requestedServerName),
    uri_san_peer_certificate: ({ direction, sourcePrincipal }) =>
      direction === 'inbound' ? some(sourcePrincipal) : undefined,
    termination_details: ({ connectionTermination }) => some(connectionTermination),
  },
  upstream: {
    address: ({ upstreamHost }) => some(upstreamHost),
    port: ({ upstreamHost }) => portOf(upstreamHost),
    local_address: ({ upstreamLocalAddress }) => some(upstreamLocalAddress),
    transport_failure_reason: ({ upstreamTransportFailure }) => some(upstreamTransportFailure),
    request_attempt_count: ({ attempts }) => attempts,
    uri_san_peer_certificate: ({ direction, destinationPrincipal }) =>
      direction === 'inbound' ? undefined : some(destinationPrincipal),
  },
  xds: {
    cluster_name: ({ cluster }) => some(cluster),
    route_name: ({ routeName }) => some(routeName),
    listener_name: ({ listener }) => some(listener),
  },
  weft: { reason: ({ reason }) => some(reason) },
};

const HEADER_MAPS: Readonly<Record<string, Read>> = {
  'request.headers': requestHeader,
  'response.headers': responseHeader,
  'response.trailers': responseTrailer,
};
const SHORTHANDS: Readonly<Record<string, string>> = { referer: 'referer' };

/** @throws {ConfigRejectedError} naming the expression. */
export function compileRecordExpression(text: string, wanted: Wanted, resource: string): RecordExpression {
  const refuse = (why: string): never => {
    throw new ConfigRejectedError(resource, `access log expression "${text}": ${why}`);
  };
  let program: ReturnType<typeof compileCel>;
  try {
    program = compileCel(text, REQUEST_ATTRIBUTES);
  } catch (error) {
    return refuse(errorMessage(error));
  }
  const readers = new Map<string, (record: RequestRecord) => string | undefined>();
  for (const [root = '', field = '', key] of program.references) {
    const read = HEADER_MAPS[`${root}.${field}`];
    if (read !== undefined) {
      if (key === undefined) continue;
      readers.set(`${root}.${field}.${key}`, read(key, wanted));
      continue;
    }
    if (root === 'request' && field in SHORTHANDS) readers.set(`request.${field}`, requestHeader(field, wanted));
    else if (field !== '' && !Object.hasOwn(ATTRIBUTES[root] ?? {}, field)) refuse(`${root}.${field} is not known`);
  }
  let current: RequestRecord | undefined;
  const maps = new Map<string, CelMap>();
  for (const root of REQUEST_ATTRIBUTES) {
    maps.set(root, {
      get(field) {
        if (current === undefined) return undefined;
        const prefix = `${root}.${field}`;
        if (prefix in HEADER_MAPS) return headers(prefix);
        const attribute = ATTRIBUTES[root]?.[field];
        return attribute === undefined ? readers.get(prefix)?.(current) : attribute(current);
      },
    });
  }
  /** Of those that the expression names: others were not kept. */
  const headers = (prefix: string): CelMap => ({
    get: (name) => (current === undefined ? undefined : readers.get(`${prefix}.${name}`)?.(current)),
  });
  return (record) => {
    current = record;
    try {
      return program.evaluate((name) => maps.get(name));
    } catch {
      return undefined;
    } finally {
      current = undefined;
    }
  };
}
