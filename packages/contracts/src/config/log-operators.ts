const sides = (parts: readonly string[]): string[] =>
  ['DOWNSTREAM', 'UPSTREAM'].flatMap((side) => parts.map((part) => `${side}_${part}`));
const CERTIFICATE = [
  ...['SUBJECT', 'ISSUER', 'SERIAL', 'FINGERPRINT_1', 'FINGERPRINT_256', 'CERT', 'CERT_V_START', 'CERT_V_END'],
  ...['URI_SAN', 'DNS_SAN', 'IP_SAN', 'EMAIL_SAN', 'OTHERNAME_SAN'],
];

/** Names of what formats of access logs can ask for: what stands between percent signs, without argument and length. */
export const LOG_OPERATORS: ReadonlySet<string> = new Set([
  ...['START_TIME', 'START_TIME_LOCAL', 'EMIT_TIME', 'EMIT_TIME_LOCAL', 'DURATION', 'COMMON_DURATION'],
  ...['REQUEST_DURATION', 'REQUEST_TX_DURATION', 'RESPONSE_DURATION', 'RESPONSE_TX_DURATION', 'ROUNDTRIP_DURATION'],
  ...['REQ', 'REQ_WITHOUT_QUERY', 'REQUEST_HEADER', 'RESP', 'RESPONSE_HEADER', 'TRAILER', 'RESPONSE_TRAILER'],
  ...['PROTOCOL', 'PATH', 'QUERY_PARAM', 'QUERY_PARAMS', 'REQUESTED_SERVER_NAME', 'GRPC_STATUS', 'GRPC_STATUS_NUMBER'],
  ...['RESPONSE_CODE', 'RESPONSE_CODE_DETAILS', 'RESPONSE_FLAGS', 'RESPONSE_FLAGS_LONG', 'LOCAL_REPLY_BODY'],
  ...['CONNECTION_TERMINATION_DETAILS', 'CUSTOM_FLAGS', 'WEFT_REASON', 'ACCESS_LOG_TYPE'],
  ...['BYTES_RECEIVED', 'BYTES_SENT', 'BYTES_RETRANSMITTED', 'PACKETS_RETRANSMITTED'],
  ...['CONNECTION_ID', 'STREAM_ID', 'UNIQUE_ID', 'TRACE_ID', 'SPAN_ID', 'HOSTNAME', 'ENVIRONMENT', 'CEL', 'TYPED_CEL'],
  ...[
    'ROUTE_NAME',
    'VIRTUAL_CLUSTER_NAME',
    'FILTER_CHAIN_NAME',
    'COALESCE',
    'TLS_JA3_FINGERPRINT',
    'TLS_JA4_FINGERPRINT',
  ],
  ...['METADATA', 'DYNAMIC_METADATA', 'CLUSTER_METADATA', 'UPSTREAM_METADATA'],
  ...['FILTER_STATE', 'TYPED_FILTER_STATE', 'UPSTREAM_FILTER_STATE', 'DOWNSTREAM_CX_RTT'],
  ...[
    'UPSTREAM_HOST',
    'UPSTREAM_HOST_NAME',
    'UPSTREAM_HOST_NAME_WITHOUT_PORT',
    'UPSTREAM_CLUSTER',
    'UPSTREAM_CLUSTER_RAW',
  ],
  ...['UPSTREAM_HOSTS_ATTEMPTED', 'UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT', 'UPSTREAM_CONNECTION_IDS_ATTEMPTED'],
  ...['UPSTREAM_HOST_NAMES_ATTEMPTED', 'UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT', 'UPSTREAM_REQUEST_ATTEMPT_COUNT'],
  ...['UPSTREAM_CONNECTION_ID', 'UPSTREAM_CONNECTION_POOL_READY_DURATION', 'UPSTREAM_PROTOCOL', 'UPSTREAM_SERVER_NAME'],
  ...[
    'DOWNSTREAM_HANDSHAKE_DURATION',
    'DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1',
    'DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256',
  ],
  ...['DOWNSTREAM_PEER_CHAIN_SERIALS', 'DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256', 'DOWNSTREAM_PEER_ISSUER_SERIAL'],
  ...sides(['TRANSPORT_FAILURE_REASON', 'DETECTED_CLOSE_TYPE', 'LOCAL_CLOSE_REASON']),
  ...sides(['TLS_VERSION', 'TLS_CIPHER', 'TLS_SESSION_ID', 'TLS_GROUP']),
  ...sides(['PEER', 'LOCAL'].flatMap((end) => CERTIFICATE.map((part) => `${end}_${part}`))),
  ...sides(
    ['WIRE', 'HEADER', 'DECOMPRESSED_HEADER'].flatMap((kind) => [`${kind}_BYTES_SENT`, `${kind}_BYTES_RECEIVED`]),
  ),
  ...['DOWNSTREAM_LOCAL', 'DOWNSTREAM_REMOTE', 'DOWNSTREAM_DIRECT_LOCAL', 'DOWNSTREAM_DIRECT_REMOTE'].flatMap(
    addressForms,
  ),
  ...['UPSTREAM_LOCAL', 'UPSTREAM_REMOTE'].flatMap(addressForms),
]);

function addressForms(name: string): string[] {
  return ['ADDRESS', 'ADDRESS_WITHOUT_PORT', 'ADDRESS_ENDPOINT_ID', 'PORT'].map((form) => `${name}_${form}`);
}

/** @returns what of a format is no operator, as it is written; undefined when all is well. Arguments are for proxies to judge. */
export function unknownOperator(format: string): string | undefined {
  for (let at = format.indexOf('%'); at >= 0; at = format.indexOf('%', at)) {
    const end = endOfOperator(format, at + 1);
    const inner = format.slice(at + 1, end);
    if (end < 0) return format.slice(at);
    const name = /^[A-Z0-9_]+(?=$|[(:])/.exec(inner)?.[0];
    // `%%` is a percent sign.
    if (inner !== '' && (name === undefined || !LOG_OPERATORS.has(name))) return `%${inner}%`;
    at = end + 1;
  }
  return undefined;
}

/** Parentheses may hold percent signs. */
function endOfOperator(format: string, from: number): number {
  let inside = false;
  for (let at = from; at < format.length; at += 1) {
    if (format[at] === '(') inside = true;
    else if (format[at] === ')') inside = false;
    else if (format[at] === '%' && !inside) return at;
  }
  return -1;
}
