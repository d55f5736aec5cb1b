import { status } from '@grpc/grpc-js';
import type { SignError } from '../metrics.ts';

/** Expected ways for CreateCertificate to fail. A new one does not compile until it has its status. */
export type IssueFailureKind = 'unauthenticated' | 'impersonation' | 'csr' | 'signer' | 'ttl' | 'generation';

export interface IssueFailure {
  readonly kind: IssueFailureKind;
  /** What the caller may know beyond the kind. */
  readonly detail?: string;
}

interface FailureRow {
  readonly code: status;
  readonly message: string;
  /** The label under which it is counted; undefined counts as an authentication failure. */
  readonly counted: SignError | undefined;
}

const SIGNING = 'CSR signing error';

export const FAILURES: Record<IssueFailureKind, FailureRow> = {
  unauthenticated: {
    code: status.UNAUTHENTICATED,
    message: 'request authenticate failure',
    counted: undefined,
  },
  impersonation: {
    code: status.UNAUTHENTICATED,
    message: 'request impersonation authentication failure',
    counted: undefined,
  },
  csr: { code: status.INVALID_ARGUMENT, message: SIGNING, counted: 'CSR_ERROR' },
  signer: { code: status.INVALID_ARGUMENT, message: SIGNING, counted: 'CSR_ERROR' },
  ttl: { code: status.INVALID_ARGUMENT, message: SIGNING, counted: 'TTL_ERROR' },
  generation: { code: status.INTERNAL, message: SIGNING, counted: 'CERT_GEN_ERROR' },
};

export function failureDetails({ kind, detail }: IssueFailure): string {
  const { message } = FAILURES[kind];
  return detail === undefined ? message : `${message} (${detail})`;
}
