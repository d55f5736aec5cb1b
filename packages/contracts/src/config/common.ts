/** Messages that several kinds share. Each is a function, so that a kind can give its use a metadata of its own. */
import {
  bool,
  choice,
  duration,
  int32,
  list,
  map,
  message,
  num,
  opt,
  regex,
  text,
  uint32,
  type FieldMeta,
  type MessageMeta,
} from './meta.ts';

/** Exactly one form; the value is matched whole. */
export const stringMatch = (meta: MessageMeta = {}) =>
  message(
    {
      exact: opt(text({ oneof: 'match_type' })),
      prefix: opt(text({ oneof: 'match_type' })),
      regex: opt(regex({ oneof: 'match_type' })),
    },
    { requiredOneofs: ['match_type'], ...meta },
  );

/** As `stringMatch`, but `{}` is allowed and asks only for presence, as the regex `*` does. */
export const presenceMatch = (meta: MessageMeta = {}) =>
  message(
    {
      exact: opt(text({ oneof: 'match_type' })),
      prefix: opt(text({ oneof: 'match_type' })),
      regex: opt(regex({ oneof: 'match_type', format: 'regex-or-star' })),
    },
    meta,
  );

export const percent = (meta: FieldMeta = {}) =>
  message({ value: opt(num({ format: 'percent', min: 0, max: 100, default: 0 })) }, meta);

export const portSelector = (meta: FieldMeta = {}) =>
  message({ number: opt(uint32({ format: 'port-number', min: 1, max: 65_535 })) }, meta);

export const destination = (meta: FieldMeta = {}) =>
  message(
    {
      host: text({ format: 'short-or-dns-host', minLength: 1 }),
      subset: opt(text()),
      port: opt(portSelector()),
    },
    meta,
  );

export const headerOperations = (meta: FieldMeta = {}) =>
  message({ set: opt(map(text())), add: opt(map(text())), remove: opt(list(text())) }, meta);

export const headers = (meta: FieldMeta = {}) =>
  message({ request: opt(headerOperations()), response: opt(headerOperations()) }, meta);

export const exportTo = () => opt(list(text({ format: 'export-to' }), { default: ['*'] }));

/** Selects workloads by equality of labels (security and telemetry kinds). */
export const matchLabelsSelector = (meta: FieldMeta = {}) =>
  message({ matchLabels: opt(map(text({ maxLength: 63 }), { maxItems: 4096 })) }, meta);

/** Selects workloads by equality of labels (networking kinds). */
export const labelsSelector = (meta: FieldMeta = {}) =>
  message({ labels: opt(map(text({ maxLength: 63 }), { maxItems: 256 })) }, meta);

const TARGETS: FieldMeta = {
  effect: 'refused',
  reason: 'attaches the policy to a Gateway API gateway or a waypoint, which Weft does not serve yet',
  mend: 'Select workloads with spec.selector.matchLabels.',
};

const targetReference = (meta: FieldMeta) =>
  message(
    {
      group: opt(text()),
      kind: text({ minLength: 1 }),
      name: text({ minLength: 1 }),
      namespace: opt(text()),
    },
    meta,
  );

export const targetRef = () => opt(targetReference({ since: '1.20', deprecated: 'targetRefs', ...TARGETS }));
export const targetRefs = () => opt(list(targetReference({}), { since: '1.22', maxItems: 16, ...TARGETS }));

/** A port of a gateway server or sidecar listener. `targetPort` is accepted and has no effect, as in Istio. */
export const listenerPort = (meta: FieldMeta = {}) =>
  message(
    {
      number: opt(uint32({ format: 'port-number', max: 65_535 })),
      protocol: opt(text()),
      name: opt(text()),
      targetPort: opt(uint32({ effect: 'ignored', deprecated: 'the service’s own targetPort' })),
    },
    meta,
  );

export const connectionPool = (meta: FieldMeta = {}) =>
  message(
    {
      tcp: opt(
        message({
          maxConnections: opt(int32({ min: 0, default: 4_294_967_295, test: 'RE-05' })),
          connectTimeout: opt(duration({ default: '10s' })),
          tcpKeepalive: opt(
            message({ probes: opt(uint32()), time: opt(duration()), interval: opt(duration()) }, { test: 'RE-08' }),
          ),
          maxConnectionDuration: opt(duration({ since: '1.15', test: 'RE-08' })),
          idleTimeout: opt(text({ format: 'duration-or-zero', default: '1h' })),
        }),
      ),
      http: opt(
        message({
          http1MaxPendingRequests: opt(int32({ min: 0, default: 4_294_967_295, test: 'RE-05' })),
          http2MaxRequests: opt(int32({ min: 0, default: 4_294_967_295, test: 'RE-05' })),
          maxRequestsPerConnection: opt(int32({ min: 0, max: 536_870_912, default: 0, test: 'RE-08' })),
          maxRetries: opt(int32({ min: 0, default: 4_294_967_295, test: 'RE-05' })),
          idleTimeout: opt(text({ format: 'duration-or-zero', default: '1h', test: 'RE-08' })),
          h2UpgradePolicy: opt(choice(['DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE'], { default: 'DEFAULT', test: 'RE-08' })),
          useClientProtocol: opt(bool({ since: '1.8', default: false, test: 'RE-08' })),
          maxConcurrentStreams: opt(int32({ min: 0, since: '1.21', test: 'RE-08' })),
          http2KeepAlive: opt(message({ interval: duration(), timeout: duration() }, { since: '1.31', test: 'RE-08' })),
        }),
      ),
    },
    meta,
  );

/** TLS that a gateway or sidecar listener terminates. @param others metadata of every field but httpsRedirect. */
export const serverTls = (meta: FieldMeta, others: FieldMeta = {}) =>
  message(
    {
      httpsRedirect: opt(bool({ default: false })),
      mode: opt(
        choice(['PASSTHROUGH', 'SIMPLE', 'MUTUAL', 'AUTO_PASSTHROUGH', 'ISTIO_MUTUAL', 'OPTIONAL_MUTUAL'], others),
      ),
      serverCertificate: opt(text(others)),
      privateKey: opt(text(others)),
      caCertificates: opt(text(others)),
      caCrl: opt(text({ since: '1.22', ...others })),
      credentialName: opt(text(others)),
      credentialNames: opt(list(text(), { since: '1.26', maxItems: 2, ...others })),
      caCertCredentialName: opt(text({ since: '1.27', ...others })),
      tlsCertificates: opt(
        list(
          message({
            serverCertificate: opt(text()),
            privateKey: opt(text()),
            caCertificates: opt(text()),
          }),
          { since: '1.26', maxItems: 2, ...others },
        ),
      ),
      subjectAltNames: opt(list(text(), others)),
      verifyCertificateSpki: opt(list(text(), others)),
      verifyCertificateHash: opt(list(text(), others)),
      insecureSkipVerify: opt(bool({ since: '1.31', ...others })),
      minProtocolVersion: opt(choice(TLS_VERSIONS, others)),
      maxProtocolVersion: opt(choice(TLS_VERSIONS, others)),
      cipherSuites: opt(list(text(), others)),
    },
    meta,
  );

const TLS_VERSIONS = ['TLS_AUTO', 'TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3'] as const;
