/**
 * Why the mesh itself answered: one row for each way a request can fail before or beside the application. The code is
 * stable and travels as `x-weft-reason`; flag and details are Envoy's (access log, metrics).
 */
export interface Reason {
  /** HTTP status of the reply; 0 when nothing can be answered. */
  readonly status: number;
  /** Envoy's short response flag; `-` for none. */
  readonly flag: string;
  /** Envoy's RESPONSE_CODE_DETAILS. */
  readonly details: string;
  /** One sentence for people; also the body of the reply. */
  readonly text: string;
  /** True when no byte of the request reached the application, so that any method may be tried again. */
  readonly unprocessed: boolean;
}

const row = (status: number, flag: string, details: string, text: string, unprocessed = true): Reason => ({
  status,
  flag,
  details,
  text,
  unprocessed,
});

export const REASONS = {
  'no-route': row(404, 'NR', 'route_not_found', 'no route matches this request'),
  'cluster-not-found': row(
    503,
    'NC',
    'cluster_not_found',
    'the route leads to a service or subset that is not defined',
  ),
  'no-healthy-upstream': row(503, 'UH', 'no_healthy_upstream', 'no healthy upstream'),
  'upstream-connect-failure': row(
    503,
    'UF',
    'upstream_reset_before_response_started{connection_failure}',
    'the upstream refused the connection',
  ),
  'upstream-connect-timeout': row(
    503,
    'UF',
    'upstream_reset_before_response_started{connection_timeout}',
    'connecting to the upstream took too long',
  ),
  'upstream-tls-failure': row(
    503,
    'UF',
    'upstream_reset_before_response_started{connection_failure,TLS_error}',
    'the TLS handshake with the upstream failed',
  ),
  'upstream-identity-mismatch': row(
    503,
    'UF',
    'upstream_reset_before_response_started{connection_failure,SAN_mismatch}',
    "the upstream's certificate names another identity",
  ),
  'upstream-closed': row(
    503,
    'UC',
    'upstream_reset_before_response_started{connection_termination}',
    'the upstream closed the connection before it answered',
    false,
  ),
  'upstream-reset': row(
    503,
    'UR',
    'upstream_reset_before_response_started{remote_reset}',
    'the upstream reset the request before it answered',
    false,
  ),
  'upstream-refused-stream': row(
    503,
    'UR',
    'upstream_reset_before_response_started{remote_refused_stream_reset}',
    'the upstream refused the request before it looked at it',
  ),
  'upstream-protocol-error': row(
    502,
    'UPE',
    'upstream_reset_before_response_started{protocol_error}',
    'the upstream answered something that is not valid HTTP',
    false,
  ),
  'upstream-overflow': row(
    503,
    'UO',
    'upstream_reset_before_response_started{overflow}',
    'too many connections or requests to this service',
  ),
  'route-timeout': row(504, 'UT', 'response_timeout', 'upstream request timeout', false),
  'per-try-timeout': row(504, 'UT', 'upstream_per_try_timeout', 'upstream request timeout on every try', false),
  'stream-idle-timeout': row(408, 'SI', 'stream_idle_timeout', 'stream timeout', false),
  'max-stream-duration': row(
    504,
    'UMSDR',
    'upstream_max_stream_duration_reached',
    'the request lasted longer than allowed',
    false,
  ),
  'retries-exhausted': row(503, 'URX', 'upstream_retry_limit_exceeded', 'every try failed', false),
  'fault-abort': row(503, 'FI', 'fault_filter_abort', 'fault filter abort'),
  'rbac-denied': row(403, '-', 'rbac_access_denied', 'RBAC: access denied'),
  'rate-limited': row(429, 'RL', 'local_rate_limited', 'local_rate_limited'),
  'cors-origin-refused': row(200, '-', 'cors_response', 'this origin is not allowed to call here'),
  'direct-response': row(200, '-', 'direct_response', ''),
  'request-headers-timeout': row(408, '-', 'request_header_timeout', 'the request head took too long'),
  'request-idle-timeout': row(408, 'SI', 'request_idle_timeout', 'the request body stopped arriving', false),
  'bad-request': row(400, 'DPE', 'http1.codec_error', 'the request is not valid HTTP'),
  'ambiguous-framing': row(400, 'DPE', 'http1.ambiguous_framing', 'the length of the request body is ambiguous'),
  'unsupported-transfer-coding': row(
    501,
    'DPE',
    'http1.unsupported_transfer_coding',
    'this transfer coding is not supported',
  ),
  'unsupported-version': row(505, 'DPE', 'http1.unsupported_version', 'this HTTP version is not supported'),
  'uri-too-long': row(414, 'DPE', 'http1.uri_too_long', 'the request target is too long'),
  'headers-too-large': row(
    431,
    'DPE',
    'http1.headers_too_large',
    'the request head is too large or has too many fields',
  ),
  'underscored-header': row(400, 'DPE', 'unexpected_underscore', 'header names with an underscore are not taken here'),
  'missing-host': row(400, 'DPE', 'missing_host_header', 'the request needs exactly one valid Host'),
  'path-normalization-failed': row(400, 'DPE', 'path_normalization_failed', 'the path can not be normalized'),
  'payload-too-large': row(413, 'DPE', 'request_payload_too_large', 'the request body is larger than allowed'),
  'upgrade-refused': row(403, '-', 'upgrade_failed', 'this upgrade is not allowed here'),
  'connect-refused': row(405, '-', 'connect_not_allowed', 'CONNECT is not allowed here'),
  overloaded: row(503, 'OM', 'overload', 'the proxy is overloaded'),
  'too-many-connections': row(503, 'OM', 'connection_limit', 'the proxy has too many connections'),
  draining: row(503, 'LH', 'draining', 'the proxy is shutting down'),
  'drain-deadline': row(503, 'LH', 'drain_deadline', 'the proxy ended before the answer was there', false),
  'config-not-ready': row(503, 'NFCF', 'config_not_ready', 'the proxy has no configuration yet'),
  'plaintext-refused': row(0, 'NR', 'filter_chain_not_found', 'this port takes mutual TLS only'),
  'downstream-tls-failure': row(0, '-', 'downstream_tls_failure', 'the TLS handshake with the client failed'),
  'http2-protocol-error': row(0, 'DPE', 'http2.protocol_error', 'the client broke a rule of HTTP/2', false),
  'downstream-reset': row(0, 'DR', 'downstream_remote_reset', 'the client gave the request up', false),
  'downstream-closed': row(0, 'DC', 'downstream_remote_disconnect', 'the client went away', false),
  'upstream-response-cut': row(
    0,
    'UC',
    'upstream_reset_after_response_started{connection_termination}',
    'the upstream closed the connection inside its response',
    false,
  ),
} as const satisfies Record<string, Reason>;

export type ReasonCode = keyof typeof REASONS;

export const REASON_HEADER = 'x-weft-reason';
