/** What routing reads of a request. A plain view: the data path makes one over its head, `explain` over a command line. */
export interface RequestFacts {
  readonly method: string;
  /** Without query. Empty for CONNECT. */
  readonly path: string;
  /** Without `?`; empty when there is none. */
  readonly query: string;
  /** As received, with port. */
  readonly authority: string;
  readonly scheme: string;
  /** Lines of one name joined by `,`. Not called for pseudo-headers and `host`. */
  header(nameLower: string): string | undefined;
  /** The same line by line; absent where lines are not told apart. */
  headerLines?(nameLower: string): readonly string[];
  /** Whether the caller showed a certificate; absent means `none`. */
  readonly clientCertificate?: 'none' | 'presented' | 'validated';
}

/** What authorization reads of a connection, and of the request when there is one. Empty string and 0 mean "not known". */
export interface AuthorizationFacts extends RequestFacts {
  /** Names in the peer's verified certificate: URI SANs, else DNS SANs, else the subject. Empty on plain connections. */
  readonly principals: readonly string[];
  /** Address of the peer of the connection. */
  readonly directRemoteIp: string;
  /** The client as trusted forwarding headers tell it; equal to `directRemoteIp` without them. */
  readonly remoteIp: string;
  readonly destinationIp: string;
  readonly destinationPort: number;
  readonly requestedServerName: string;
  /** Dynamic metadata of a filter, for example `istio_authn` → `request.auth.claims`. */
  metadata(filter: string, path: readonly string[]): unknown;
}

/** Headers by name, pseudo-headers included. */
export type HeaderReader = (facts: RequestFacts) => string | undefined;

export function headerReader(name: string): HeaderReader {
  const lower = name.toLowerCase();
  switch (lower) {
    case ':method':
      return (facts) => facts.method;
    case ':path':
      return (facts) => (facts.query === '' ? facts.path : `${facts.path}?${facts.query}`);
    case ':authority':
    case 'host':
      return (facts) => facts.authority;
    case ':scheme':
      return (facts) => facts.scheme;
    default:
      return (facts) => facts.header(lower);
  }
}

/** Uniform in [0, 1). */
export interface DrawSource {
  next(): number;
}
