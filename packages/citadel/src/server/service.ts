import { create } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import {
  IstioCertificateResponseSchema,
  IstioCertificateService,
  type IstioCertificateRequest,
  type IstioCertificateResponse,
} from '@weft/contracts/full/istio/v1/auth/ca';
import { errorMessage } from '@weft/kit';
import { grpcMethod } from '@weft/xds/transport';
import { FAILURES, failureDetails } from './failures.ts';
import { issue, type IssueDeps, type IssueRequest } from './issue.ts';

/** `istio.v1.auth.IstioCertificateService`, for `grpc.Server.addService`. */
export const certificateService = {
  createCertificate: grpcMethod(IstioCertificateService.method.createCertificate),
} as const satisfies grpc.ServiceDefinition;

/** The implementation that goes with `certificateService`. */
export interface CertificateHandlers extends grpc.UntypedServiceImplementation {
  createCertificate: grpc.handleUnaryCall<IstioCertificateRequest, IstioCertificateResponse>;
}

export function createHandlers(deps: IssueDeps): CertificateHandlers {
  return {
    createCertificate(call, callback) {
      void respond(deps, call, callback);
    },
  };
}

type CreateCall = grpc.ServerUnaryCall<IstioCertificateRequest, IstioCertificateResponse>;

async function respond(
  deps: IssueDeps,
  call: CreateCall,
  callback: grpc.sendUnaryData<IstioCertificateResponse>,
): Promise<void> {
  const { metrics, logger } = deps;
  try {
    const result = await issue(deps, issueRequest(call));
    if (result.ok) {
      callback(null, create(IstioCertificateResponseSchema, { certChain: [...result.chain] }));
      return;
    }
    const { code, counted } = FAILURES[result.failure.kind];
    if (counted === undefined) metrics.authenticationFailed();
    else metrics.signFailed(counted);
    callback({ code, details: failureDetails(result.failure) });
  } catch (error) {
    metrics.signFailed('UNKNOWN');
    logger.error({ error: errorMessage(error) }, 'certificate request failed');
    callback({ code: grpc.status.INTERNAL, details: 'CSR signing error (internal error)' });
  }
}

function issueRequest(call: CreateCall): IssueRequest {
  const { csr, validityDuration, metadata } = call.request;
  return {
    credentials: {
      authorization: call.metadata.get('authorization').map(String),
      verifiedPeer: call.getAuthContext().sslPeerCertificate?.raw,
    },
    csr,
    validitySeconds: validityDuration,
    impersonated: textOf(metadata?.['ImpersonatedIdentity']),
    certSigner: textOf(metadata?.['CertSigner']),
  };
}

/** Absent, null and empty count as not given; any other value counts as given, whatever its type. */
function textOf(value: unknown): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
