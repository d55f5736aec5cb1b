/** Mixer's attributes of a request that the control plane knows from a sidecar's log entry and the registry. */
export const REPORTED_ATTRIBUTES: ReadonlySet<string> = new Set([
  ...['source', 'destination'].flatMap((end) =>
    ['namespace', 'labels', 'principal', 'workload.name', 'workload.namespace', 'workload.uid'].map(
      (field) => `${end}.${field}`,
    ),
  ),
  'destination.service',
  'destination.service.host',
  'destination.service.name',
  'destination.service.namespace',
  'context.protocol',
  'context.proxy_error_code',
  'context.reporter.kind',
  'connection.mtls',
  'request.host',
  'request.id',
  'request.method',
  'request.path',
  'request.size',
  'request.time',
  'request.url_path',
  'request.useragent',
  'response.code',
  'response.duration',
  'response.size',
  'response.time',
]);
