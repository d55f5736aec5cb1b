export type Protocol =
  | 'http'
  | 'http2'
  | 'grpc'
  | 'grpc-web'
  | 'https'
  | 'tls'
  | 'tcp'
  | 'mongo'
  | 'mysql'
  | 'redis'
  | 'udp'
  /** Not declared: found out from the first bytes. */
  | 'auto';

const BY_NAME: Readonly<Record<string, Protocol>> = {
  http: 'http',
  http2: 'http2',
  https: 'https',
  tcp: 'tcp',
  tls: 'tls',
  grpc: 'grpc',
  mongo: 'mongo',
  mysql: 'mysql',
  redis: 'redis',
  udp: 'udp',
  http_proxy: 'http',
};
const BY_APP_PROTOCOL: Readonly<Record<string, Protocol>> = {
  'kubernetes.io/h2c': 'http2',
  'kubernetes.io/ws': 'http',
  'kubernetes.io/wss': 'https',
};
// The server speaks first on these, so that waiting for the client's first bytes would hang.
const TCP_PORTS: ReadonlySet<number> = new Set([25, 53, 3306, 27017]);

export interface DeclaredPort {
  readonly name?: string | undefined;
  readonly number: number;
  readonly protocol?: string | undefined;
  readonly appProtocol?: string | undefined;
}

/** Istio's rules: UDP first, then appProtocol, then the port name's prefix, then well-known ports; the rest is detected. */
export function protocolOf(port: DeclaredPort): Protocol {
  if (port.protocol?.toUpperCase() === 'UDP') return 'udp';
  const special = port.appProtocol === undefined ? undefined : BY_APP_PROTOCOL[port.appProtocol];
  if (special) return special;
  return parseProtocol(port.appProtocol ?? port.name ?? '') ?? (TCP_PORTS.has(port.number) ? 'tcp' : 'auto');
}

/** The text before the first `-` of a port name, or the whole of a Gateway's or ServiceEntry's `protocol`. */
export function parseProtocol(text: string): Protocol | undefined {
  const lower = text.toLowerCase();
  if (lower.startsWith('grpc-web')) return 'grpc-web';
  return BY_NAME[lower.split('-', 1)[0] ?? ''];
}

export const isHttp = (protocol: Protocol): boolean =>
  protocol === 'http' || protocol === 'http2' || protocol === 'grpc' || protocol === 'grpc-web';

/** Spoken as HTTP/2 to the upstream. */
export const isHttp2 = (protocol: Protocol): boolean =>
  protocol === 'http2' || protocol === 'grpc' || protocol === 'grpc-web';

/** Encrypted by the application itself. */
export const isTls = (protocol: Protocol): boolean => protocol === 'tls' || protocol === 'https';
