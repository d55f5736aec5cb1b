import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import {
  IstioCertificateRequestSchema,
  IstioCertificateResponseSchema,
  IstioCertificateService,
  type IstioCertificateRequest,
  type IstioCertificateResponse,
} from '@weft/contracts/full/istio/v1/auth/ca';
import { errorMessage, type Logger } from '@weft/kit';
import { grpcFailure } from './failures.ts';
import { issue, type IssueDeps } from './issue.ts';

/** `istio.v1.auth.IstioCertificateService`, for `grpc.Server.addService`. */
export const certificateService = {
  createCertificate: {
    path: `/${IstioCertificateService.typeName}/CreateCertificate`,
    requestStream: false,
    responseStream: false,
    requestSerialize: (message: IstioCertificateRequest) =>
      Buffer.from(toBinary(IstioCertificateRequestSchema, message)),
    requestDeserialize: (bytes: Buffer) => fromBinary(IstioCertificateRequestSchema, bytes),
    responseSerialize: (message: IstioCertificateResponse) =>
      Buffer.from(toBinary(IstioCertificateResponseSchema, message)),
    responseDeserialize: (bytes: Buffer) => fromBinary(IstioCertificateResponseSchema, bytes),
  },
} as const satisfies grpc.ServiceDefinition;

/** The implementation that goes with `certificateService`. */
export interface CertificateHandlers extends grpc.UntypedServiceImplementation {
  createCertificate: grpc.handleUnaryCall<IstioCertificateRequest, IstioCertificateResponse>;
}

export function createHandlers(deps: IssueDeps): CertificateHandlers {
  return {
    createCertificate(call, callback) {
      answer(deps, call).then(
        (response) => callback(null, response),
        (error: unknown) => callback(asServiceError(error, deps)),
      );
    },
  };
}

type CreateCall = grpc.ServerUnaryCall<IstioCertificateRequest, IstioCertificateResponse>;

async function answer(deps: IssueDeps, call: CreateCall): Promise<IstioCertificateResponse> {
  const { csr, validityDuration, metadata } = call.request;
  const result = await issue(deps, {
    credentials: {
      authorization: call.metadata.get('authorization').map(String),
      verifiedPeer: call.getAuthContext().sslPeerCertificate?.raw,
    },
    csr,
    validitySeconds: validityDuration,
    impersonated: textOf(metadata?.['ImpersonatedIdentity']),
    certSigner: textOf(metadata?.['CertSigner']),
  });
  if (result.ok) return create(IstioCertificateResponseSchema, { certChain: [...result.chain] });
  const failure = grpcFailure(result.failure);
  if (failure.counted === undefined) deps.metrics.authenticationFailed();
  else deps.metrics.signFailed(failure.counted);
  throw new RefusedCall(failure.code, failure.details);
}

class RefusedCall extends Error {
  override readonly name = 'RefusedCall';
  readonly code: grpc.status;

  constructor(code: grpc.status, details: string) {
    super(details);
    this.code = code;
  }
}

function asServiceError(
  error: unknown,
  { metrics, logger }: { metrics: IssueDeps['metrics']; logger: Logger },
): Partial<grpc.StatusObject> {
  if (error instanceof RefusedCall) return { code: error.code, details: error.message };
  metrics.signFailed('UNKNOWN');
  logger.error({ error: errorMessage(error) }, 'certificate request failed');
  return { code: grpc.status.INTERNAL, details: 'CSR signing error (internal error)' };
}

/** Absent, null and empty count as not given; any other value counts as given, whatever its type. */
function textOf(value: unknown): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
