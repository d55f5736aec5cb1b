/**
 * The attribute vocabulary: typed facts about a request that expressions, rules and Mixer's wire format may use. The names
 * and types are Istio's; an `attributemanifest` adds more.
 */
export const VALUE_TYPES = [
  'STRING',
  'INT64',
  'DOUBLE',
  'BOOL',
  'TIMESTAMP',
  'IP_ADDRESS',
  'EMAIL_ADDRESS',
  'URI',
  'DNS_NAME',
  'DURATION',
  'STRING_MAP',
] as const;
export type ValueType = (typeof VALUE_TYPES)[number];

/** Attribute name → type. */
export type AttributeVocabulary = ReadonlyMap<string, ValueType>;

const of = (type: ValueType, names: string): [string, ValueType][] =>
  names
    .trim()
    .split(/\s+/)
    .map((name) => [name, type]);

/** What a proxy or the lookup of a peer's workload can supply. */
export const STANDARD_ATTRIBUTES: AttributeVocabulary = new Map<string, ValueType>([
  ...of('IP_ADDRESS', 'source.ip origin.ip destination.ip'),
  ...of(
    'STRING_MAP',
    `source.labels source.metadata destination.labels destination.metadata
     request.headers request.query_params request.auth.claims response.headers`,
  ),
  ...of('TIMESTAMP', 'request.time response.time context.time context.timestamp'),
  ...of('DURATION', 'response.duration connection.duration'),
  ...of('BOOL', 'connection.mtls check.cache_hit quota.cache_hit context.reporter.local'),
  ...of(
    'INT64',
    `source.port destination.port request.size request.total_size response.size response.total_size response.code
     connection.received.bytes connection.received.bytes_total connection.sent.bytes connection.sent.bytes_total
     check.error_code`,
  ),
  ...of(
    'STRING',
    `source.uid source.name source.namespace source.principal source.user source.owner source.serviceAccount source.services
     source.workload.uid source.workload.name source.workload.namespace source.service
     origin.uid origin.user
     destination.uid destination.name destination.namespace destination.owner destination.serviceAccount destination.principal
     destination.user destination.service destination.mesh.id
     destination.workload.uid destination.workload.name destination.workload.namespace
     destination.container.name destination.container.image
     destination.service.host destination.service.name destination.service.namespace destination.service.uid
     request.host request.path request.url_path request.scheme request.method request.referer request.useragent
     request.id request.reason request.api_key
     request.auth.principal request.auth.audiences request.auth.presenter request.auth.raw_claims
     response.grpc_status response.grpc_message
     connection.id connection.event connection.requested_server_name
     context.protocol context.reporter.kind context.reporter.uid context.proxy_version context.proxy_error_code
     api.service api.version api.operation api.protocol
     check.error_message rbac.permissive.response_code rbac.permissive.effective_policy_id`,
  ),
]);
