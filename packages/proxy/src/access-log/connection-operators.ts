// What is known of the two connections of a request: numbers, bytes, TLS. It is gathered where a format asks for it.
import { ConfigRejectedError } from '@weft/evaluator';
import type { WireMeter } from '../http/wire-meter.ts';
import type { RequestRecord } from '../request-record.ts';
import type { CertificateFacts, TransportFacts } from '../tls/transport-facts.ts';
import { withoutPort } from './address-operators.ts';
import { type LogValue, type Operator, type OperatorContext, some } from './log-value.ts';
import { formatTime } from './start-time.ts';

const WIRE = /^(DOWN|UP)STREAM_(WIRE|HEADER)_BYTES_(SENT|RECEIVED)$/;
// The client's own name is REQUESTED_SERVER_NAME.
const TLS =
  /^(?:(DOWN|UP)STREAM_(?:TLS_(VERSION|CIPHER|SESSION_ID)|(PEER|LOCAL)_([A-Z0-9_]+))|(UP)STREAM_(?:TLS_(GROUP)|(SERVER_NAME)))$/;

const TRANSPORT: Readonly<Record<string, (facts: TransportFacts) => string>> = {
  VERSION: ({ version }) => version,
  CIPHER: ({ cipher }) => cipher,
  SESSION_ID: ({ sessionId }) => sessionId,
  GROUP: ({ group }) => group,
  SERVER_NAME: ({ serverName }) => serverName,
};

const CERTIFICATE: Readonly<Record<string, (certificate: CertificateFacts) => string>> = {
  SUBJECT: ({ subject }) => subject,
  ISSUER: ({ issuer }) => issuer,
  SERIAL: ({ serial }) => serial,
  FINGERPRINT_1: ({ sha1 }) => sha1,
  FINGERPRINT_256: ({ sha256 }) => sha256,
  URI_SAN: ({ names }) => names.uris.join(','),
  DNS_SAN: ({ names }) => names.dns.join(','),
  IP_SAN: ({ names }) => names.ips.join(','),
  EMAIL_SAN: ({ names }) => names.emails.join(','),
  CERT: ({ pem }) => encodeURIComponent(pem),
};

/** @returns undefined for an operator that is of something else. @throws {ConfigRejectedError} for a time format that is not supported. */
export function connectionOperator(
  name: string,
  argument: string | undefined,
  context: OperatorContext,
): Operator | undefined {
  const tls = TLS.exec(name);
  if (tls !== null) {
    const [, side, aspect, whose, part, up, group, serverName] = tls;
    return tlsOperator({ side: side ?? up, aspect: aspect ?? group ?? serverName, whose, part }, argument, context);
  }
  if (argument !== undefined) return undefined;
  const wire = WIRE.exec(name);
  if (wire !== null) {
    context.wanted.wantAspect('wire');
    return wireOperator(wire);
  }
  const tried = Object.hasOwn(TRIED, name) ? TRIED[name] : undefined;
  if (tried !== undefined) context.wanted.wantAspect('attempts');
  return tried ?? (Object.hasOwn(PLAIN, name) ? PLAIN[name] : undefined);
}

const PLAIN: Readonly<Record<string, Operator>> = {
  CONNECTION_ID: ({ connection }) => connection?.id,
  UPSTREAM_CONNECTION_ID: ({ upstreamLink }) => upstreamLink?.id,
  UPSTREAM_PROTOCOL: ({ upstreamLink }) => some(upstreamLink?.protocol),
  FILTER_CHAIN_NAME: ({ connection }) => some(connection?.filterChain),
  DOWNSTREAM_TRANSPORT_FAILURE_REASON: ({ downstreamTransportFailure }) => some(downstreamTransportFailure),
};

const listed = (
  { triedHosts }: RequestRecord,
  text: (attempt: NonNullable<RequestRecord['triedHosts']>[number]) => string,
): string | undefined =>
  some(
    triedHosts
      ?.map(text)
      .filter((one) => one !== '')
      .join(','),
  );

const TRIED: Readonly<Record<string, Operator>> = {
  UPSTREAM_HOSTS_ATTEMPTED: (record) => listed(record, ({ host }) => host),
  UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT: (record) => listed(record, ({ host }) => withoutPort(host) ?? ''),
  UPSTREAM_HOST_NAMES_ATTEMPTED: (record) => listed(record, ({ host, hostname }) => hostname || host),
  UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT: (record) =>
    listed(record, ({ host, hostname }) => hostname || (withoutPort(host) ?? '')),
  UPSTREAM_CONNECTION_IDS_ATTEMPTED: (record) =>
    listed(record, ({ connectionId }) => (connectionId === 0 ? '' : String(connectionId))),
  UPSTREAM_CONNECTION_POOL_READY_DURATION: ({ poolReadyMs }) => (poolReadyMs < 0 ? undefined : Math.round(poolReadyMs)),
};

function wireOperator([, side, kind, way]: RegExpExecArray): Operator {
  const meterOf = (record: RequestRecord): WireMeter | undefined =>
    side === 'UP' ? record.upstreamWire : record.downstreamWire;
  const whole = kind === 'WIRE';
  if (way === 'SENT')
    return (record) => (whole ? meterOf(record)?.sent : meterOf(record)?.headSent) ?? tcpBytes(record, kind, side, way);
  return (record) =>
    (whole ? meterOf(record)?.received : meterOf(record)?.headReceived) ?? tcpBytes(record, kind, side, 'RECEIVED');
}

/** TCP goes through as it is. What never reached an upstream has 0 there. */
function tcpBytes(
  { protocol, requestBytes, responseBytes }: RequestRecord,
  kind: string | undefined,
  side: string | undefined,
  way: string,
): number {
  if (protocol !== 'TCP' || kind !== 'WIRE') return 0;
  return (side === 'UP') === (way === 'SENT') ? requestBytes : responseBytes;
}

interface TlsWord {
  readonly side: string | undefined;
  /** Of the connection; else it is a part of somebody's certificate. */
  readonly aspect: string | undefined;
  readonly whose: string | undefined;
  readonly part: string | undefined;
}

function tlsOperator(
  { side, aspect, whose, part }: TlsWord,
  argument: string | undefined,
  context: OperatorContext,
): Operator | undefined {
  const up = side === 'UP';
  const read = aspect === undefined ? certificateReader(part ?? '', argument, context.resource) : undefined;
  const transport = aspect === undefined ? undefined : TRANSPORT[aspect];
  if ((read === undefined && transport === undefined) || (transport !== undefined && argument !== undefined))
    return undefined;
  context.wanted.wantAspect(up ? 'upstreamTls' : 'downstreamTls');
  return (record) => {
    const facts = up ? record.upstreamLink?.transport : record.connection?.transport;
    if (facts === undefined) return undefined;
    if (transport !== undefined) return some(transport(facts));
    const certificate = whose === 'PEER' ? facts.peer : facts.local;
    const value = certificate === undefined ? undefined : read?.(certificate);
    return value === '' ? undefined : value;
  };
}

function certificateReader(
  part: string,
  argument: string | undefined,
  resource: string,
): ((certificate: CertificateFacts) => LogValue) | undefined {
  if (part === 'CERT_V_START' || part === 'CERT_V_END') {
    const format = formatTime(argument ?? '');
    if (format === undefined)
      throw new ConfigRejectedError(resource, `access log time format "${argument ?? ''}" is not supported`);
    return (certificate) => format(part === 'CERT_V_START' ? certificate.validFromMs : certificate.validToMs);
  }
  return argument === undefined && Object.hasOwn(CERTIFICATE, part) ? CERTIFICATE[part] : undefined;
}
