import { create, type JsonObject } from '@bufbuild/protobuf';
import { AccessLogSchema, type AccessLog } from '@weft/contracts/full/envoy/config/accesslog/v3/accesslog';
import { ExpressionFilterSchema } from '@weft/contracts/full/envoy/extensions/access_loggers/filters/cel/v3/cel';
import { FileAccessLogSchema } from '@weft/contracts/full/envoy/extensions/access_loggers/file/v3/file';
import { parseAccessLogFormat, type MeshOptions } from '../options.ts';
import type { AccessLogging } from '../snapshot/access-logging.ts';
import { pack } from './envoy.ts';

/** Istio's line, field by field: `true` stands in quotes. */
const TEXT_FIELDS: readonly (readonly [operator: string, quoted?: boolean])[] = [
  ['%RESPONSE_CODE%'],
  ['%RESPONSE_FLAGS%'],
  ['%RESPONSE_CODE_DETAILS%'],
  ['%CONNECTION_TERMINATION_DETAILS%'],
  ['%UPSTREAM_TRANSPORT_FAILURE_REASON%', true],
  ['%BYTES_RECEIVED%'],
  ['%BYTES_SENT%'],
  ['%DURATION%'],
  ['%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%'],
  ['%REQ(X-FORWARDED-FOR)%', true],
  ['%REQ(USER-AGENT)%', true],
  ['%REQ(X-REQUEST-ID)%', true],
  ['%REQ(:AUTHORITY)%', true],
  ['%UPSTREAM_HOST%', true],
  ['%UPSTREAM_CLUSTER_RAW%'],
  ['%UPSTREAM_LOCAL_ADDRESS%'],
  ['%DOWNSTREAM_LOCAL_ADDRESS%'],
  ['%DOWNSTREAM_REMOTE_ADDRESS%'],
  ['%REQUESTED_SERVER_NAME%'],
  ['%ROUTE_NAME%'],
];
const REQUEST = '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%"';
export const DEFAULT_TEXT_FORMAT = `${[REQUEST, ...TEXT_FIELDS.map(([operator, quoted]) => (quoted ? `"${operator}"` : operator))].join(' ')}\n`;

export const DEFAULT_JSON_FORMAT: JsonObject = {
  authority: '%REQ(:AUTHORITY)%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  connection_termination_details: '%CONNECTION_TERMINATION_DETAILS%',
  downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  duration: '%DURATION%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  request_id: '%REQ(X-REQUEST-ID)%',
  requested_server_name: '%REQUESTED_SERVER_NAME%',
  response_code: '%RESPONSE_CODE%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  response_flags: '%RESPONSE_FLAGS%',
  route_name: '%ROUTE_NAME%',
  start_time: '%START_TIME%',
  upstream_cluster: '%UPSTREAM_CLUSTER_RAW%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_local_address: '%UPSTREAM_LOCAL_ADDRESS%',
  upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
  user_agent: '%REQ(USER-AGENT)%',
  x_forwarded_for: '%REQ(X-FORWARDED-FOR)%',
};

/** Where Telemetry turns on what the mesh has off. */
const DEFAULT_FILE = '/dev/stdout';
const CEL_FILTER = 'envoy.access_loggers.extension_filters.cel';

/** One file logger, or none where neither the mesh nor Telemetry asks for it. */
export function accessLogs(mesh: MeshOptions, telemetry?: AccessLogging): AccessLog[] {
  if (telemetry === undefined ? mesh.accessLogFile === '' : !telemetry.enabled) return [];
  const expression = telemetry?.expression ?? '';
  return [
    create(AccessLogSchema, {
      name: 'envoy.access_loggers.file',
      ...(expression === ''
        ? {}
        : {
            filter: {
              filterSpecifier: {
                case: 'extensionFilter',
                value: {
                  name: CEL_FILTER,
                  configType: { case: 'typedConfig', value: pack(ExpressionFilterSchema, { expression }) },
                },
              },
            },
          }),
      configType: {
        case: 'typedConfig',
        value: pack(FileAccessLogSchema, {
          path: mesh.accessLogFile || DEFAULT_FILE,
          accessLogFormat: { case: 'logFormat', value: { format: format(mesh) } },
        }),
      },
    }),
  ];
}

function format({ accessLogEncoding, accessLogFormat }: MeshOptions) {
  if (accessLogEncoding === 'JSON') {
    return { case: 'jsonFormat' as const, value: parseAccessLogFormat('JSON', accessLogFormat) ?? DEFAULT_JSON_FORMAT };
  }
  const text = accessLogFormat === '' || accessLogFormat.endsWith('\n') ? accessLogFormat : `${accessLogFormat}\n`;
  return {
    case: 'textFormatSource' as const,
    value: { specifier: { case: 'inlineString' as const, value: text || DEFAULT_TEXT_FORMAT } },
  };
}
