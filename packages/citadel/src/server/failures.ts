import { status } from '@grpc/grpc-js';
import type { SignError } from '../metrics.ts';

/** Expected ways for CreateCertificate to fail; each becomes a gRPC status in one place. */
export type IssueFailure =
  | { readonly kind: 'unauthenticated' }
  | { readonly kind: 'impersonation' }
  | { readonly kind: 'csr' | 'ttl' | 'signer' | 'not-ready' | 'generation'; readonly detail: string };

export interface GrpcFailure {
  readonly code: status;
  readonly details: string;
  /** The label under which it is counted; undefined counts as an authentication failure. */
  readonly counted: SignError | undefined;
}

export function grpcFailure(failure: IssueFailure): GrpcFailure {
  switch (failure.kind) {
    case 'unauthenticated':
      return { code: status.UNAUTHENTICATED, details: 'request authenticate failure', counted: undefined };
    case 'impersonation':
      return {
        code: status.UNAUTHENTICATED,
        details: 'request impersonation authentication failure',
        counted: undefined,
      };
    case 'csr':
    case 'signer':
      return { code: status.INVALID_ARGUMENT, details: signing(failure.detail), counted: 'CSR_ERROR' };
    case 'ttl':
      return { code: status.INVALID_ARGUMENT, details: signing(failure.detail), counted: 'TTL_ERROR' };
    case 'not-ready':
      return { code: status.INTERNAL, details: signing(failure.detail), counted: 'CA_NOT_READY' };
    case 'generation':
      return { code: status.INTERNAL, details: signing(failure.detail), counted: 'CERT_GEN_ERROR' };
  }
}

const signing = (detail: string): string => `CSR signing error (${detail})`;
