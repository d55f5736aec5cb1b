export {
  BLACK_HOLE_CLUSTER,
  CARRIES_HTTP1,
  clusterName,
  INBOUND_PASSTHROUGH_CLUSTER,
  ISTIO_METADATA,
  PEER_METADATA,
  listenerName,
  nodeId,
  parseClusterName,
  parseNodeId,
  PASSTHROUGH_CLUSTER,
  SECRET_DEFAULT,
  SECRET_ROOT,
  sniName,
  TRANSPORT_SOCKET_MATCH_METADATA,
  WEFT_METADATA,
  type ClusterName,
  type Direction,
  type NodeId,
} from './names.ts';
export {
  CONTROL_PLANE_ACCOUNT,
  controlPlaneId,
  DEFAULT_TRUST_DOMAIN,
  GATEWAY_ACCOUNT,
  parseSpiffeId,
  principalOf,
  spiffeId,
  SYSTEM_NAMESPACE,
  type WorkloadIdentity,
} from './identity.ts';
export {
  DNS_CAPTURE_PORT,
  INBOUND_CAPTURE_PORT,
  INBOUND_SOURCE_ADDRESS,
  OUTBOUND_CAPTURE_PORT,
  PROXY_MARK,
  VIRTUAL_INBOUND,
  VIRTUAL_OUTBOUND,
} from './capture.ts';
export { PORTS, type PortName, type PortRow } from './ports.ts';
export type {
  GatewayBind,
  Interception,
  OutboundBind,
  RegisteredService,
  RegisteredWorkload,
  RegistryState,
  WorkloadCertificate,
  WorkloadPort,
} from './registry.ts';
export {
  PARENT_CHANNEL_FD,
  type ChildMessage,
  type ListeningSocket,
  type ParentMessage,
  type ProxySettings,
  type WorkloadSecret,
} from './parent-channel.ts';
export { REASON_HEADER, REASONS, type Reason, type ReasonCode } from './reasons.ts';
export { KEY_USAGE, OID, readCertificate, readSvid, type CertificateFacts, type SvidVerdict } from './x509/svid.ts';
export {
  DER_TAG,
  DerError,
  derReader,
  pemBlocks,
  readBitStringBytes,
  readObjectId,
  readPem,
  type DerReader,
  type Tlv,
} from './x509/der-reader.ts';
export * as der from './x509/der-writer.ts';
export type { Der } from './x509/der-writer.ts';
export { CONTROL_PLANE_SERVER_NAME, MESH_TLS } from './tls.ts';
export { STANDARD_ATTRIBUTES, VALUE_TYPES, type AttributeVocabulary, type ValueType } from './attributes.ts';
export { GLOBAL_WORDS } from './mixer-words.ts';
export type {
  CodeRate,
  EdgeEnds,
  EdgeRates,
  LabelledTotal,
  LatencyCounts,
  LogQuery,
  LogResult,
  Percentiles,
  RatesQuery,
  Reporter,
  ReportingProxy,
  SeriesQuery,
  ServiceRef,
  SpanNode,
  StoredLogEntry,
  StoredSpan,
  StoredTrace,
  StoredTraceSummary,
  StoreUsage,
  TcpRates,
  TelemetryQueries,
  TimeSeries,
  TotalsQuery,
  TraceQuery,
  TrafficProtocol,
  TrafficRates,
  TrafficSubject,
  TrendsQuery,
  WorkloadRef,
} from './telemetry-views.ts';
export { XDS_PUSH_ORDER, XDS_TYPE, xdsShortName, type XdsKind } from './xds.ts';
export {
  LOCAL_CLUSTER,
  LOCALITY_LABEL,
  localityName,
  localityOf,
  parseLocality,
  REGION_LABEL,
  SUBZONE_LABEL,
  ZONE_LABEL,
  type Locality,
} from './locality.ts';
export { DEFAULT_PATH_NORMALIZATION, PATH_NORMALIZATIONS, type PathNormalization } from './path-normalization.ts';
export { REPORTED_ATTRIBUTES } from './reported-attributes.ts';
