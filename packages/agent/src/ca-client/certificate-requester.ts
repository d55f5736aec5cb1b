import type { WorkloadSecret } from '@weft/contracts';

/** How this call proves who makes it. */
export type Proof =
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'certificate'; readonly secret: WorkloadSecret };

export interface CertificateCall {
  /** `host:port`. */
  readonly address: string;
  /** Roots that the server's certificate must lead to, PEM. */
  readonly rootsPem: string;
  /** The identity that the server must have. */
  readonly serverId: string;
  readonly proof: Proof;
  readonly csrPem: string;
  /** 0 asks for the authority's default. */
  readonly ttlSeconds: number;
}

/** One call to a certificate authority over a connection of its own. @returns the chain: leaf first, roots last. */
export type CertificateRequester = (call: CertificateCall) => Promise<readonly string[]>;
