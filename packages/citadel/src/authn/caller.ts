import type { WorkloadIdentity } from '@weft/contracts';

/** Who asks for a certificate, as far as an authenticator could establish it. */
export type CallerVerdict =
  | {
      readonly ok: true;
      readonly identity: WorkloadIdentity;
      readonly authenticator: 'token' | 'certificate';
      /** The workload that a token was made for. */
      readonly workload?: string;
    }
  /** The reason is for our log: a caller only learns that it was refused. */
  | { readonly ok: false; readonly reason: string };

/** What a call carries that may prove who makes it. */
export interface CallCredentials {
  /** Values of `authorization`, as sent. */
  readonly authorization: readonly string[];
  /** The client's leaf as DER, only when the TLS layer verified its chain to our roots. */
  readonly verifiedPeer: Uint8Array | undefined;
}

export type Authenticator = (credentials: CallCredentials) => CallerVerdict | Promise<CallerVerdict>;

export const refusedCaller = (reason: string): CallerVerdict => ({ ok: false, reason });
