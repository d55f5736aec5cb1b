import { create } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import {
  IstioCertificateRequestSchema,
  IstioCertificateService,
  type IstioCertificateResponse,
} from '@weft/contracts/full/istio/v1/auth/ca';
import { WeftError, type Clock } from '@weft/kit';
import { createGrpcClient, grpcMethod } from '@weft/xds/transport';
import type { CertificateCall, CertificateRequester } from './certificate-requester.ts';

const DEADLINE_MS = 10_000;

/** Calls over gRPC; the server must lead to the given roots and have exactly the expected identity, whatever its address. */
export function createGrpcRequester(clock: Clock): CertificateRequester {
  return async (call) => {
    const { address, rootsPem, serverId, proof } = call;
    const own = proof.kind === 'certificate' ? { own: proof.secret } : {};
    const client = createGrpcClient({ address, rootsPem, serverId, ...own });
    try {
      return (await unary(client, call, clock.now() + DEADLINE_MS)).certChain;
    } finally {
      client.close();
    }
  };
}

function unary(client: grpc.Client, call: CertificateCall, deadlineMs: number): Promise<IstioCertificateResponse> {
  const { path, requestSerialize, responseDeserialize } = grpcMethod(IstioCertificateService.method.createCertificate);
  const metadata = new grpc.Metadata();
  if (call.proof.kind === 'token') metadata.set('authorization', `Bearer ${call.proof.token}`);
  const request = create(IstioCertificateRequestSchema, {
    csr: call.csrPem,
    validityDuration: BigInt(call.ttlSeconds),
  });
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
      { deadline: deadlineMs },
      (error, response) => {
        if (response) resolve(response);
        else reject(callError(call.address, error));
      },
    );
  });
}

function callError(address: string, error: grpc.ServiceError | null): WeftError {
  const name = error ? grpc.status[error.code] : 'UNKNOWN';
  return new WeftError('WEFT_CA_CALL', `${name}: ${error?.details ?? 'no answer'}`, { where: address });
}
