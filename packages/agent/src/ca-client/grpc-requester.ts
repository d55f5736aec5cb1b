import { createSecureContext, type PeerCertificate } from 'node:tls';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import { CONTROL_PLANE_SERVER_NAME, MESH_TLS, readSvid } from '@weft/contracts';
import {
  IstioCertificateRequestSchema,
  IstioCertificateResponseSchema,
  IstioCertificateService,
  type IstioCertificateRequest,
  type IstioCertificateResponse,
} from '@weft/contracts/full/istio/v1/auth/ca';
import { WeftError, type Clock } from '@weft/kit';
import type { CertificateCall, CertificateRequester } from './certificate-requester.ts';

const PATH = `/${IstioCertificateService.typeName}/CreateCertificate`;
const DEADLINE_MS = 10_000;

/** Calls over gRPC; the server must lead to the given roots and have exactly the expected identity, whatever its address. */
export function createGrpcRequester(clock: Clock): CertificateRequester {
  return async (call) => {
    const client = new grpc.Client(call.address, channelCredentials(call), {
      'grpc.ssl_target_name_override': CONTROL_PLANE_SERVER_NAME,
      'grpc.default_authority': CONTROL_PLANE_SERVER_NAME,
      'grpc.enable_http_proxy': 0,
      'grpc.enable_retries': 0,
      'grpc.use_local_subchannel_pool': 1,
    });
    try {
      return (await unary(client, call, clock.now() + DEADLINE_MS)).certChain;
    } finally {
      client.close();
    }
  };
}

function channelCredentials({ rootsPem, serverId, proof }: CertificateCall): grpc.ChannelCredentials {
  const own = proof.kind === 'certificate' ? { key: proof.secret.privateKeyPem, cert: proof.secret.certChainPem } : {};
  const context = createSecureContext({ ...MESH_TLS, ca: rootsPem, ...own });
  const checkServerIdentity = (_name: string, peer: PeerCertificate): Error | undefined => {
    const svid = readSvid(peer.raw);
    if (!svid.ok) return new WeftError('WEFT_SERVER_IDENTITY', `the server has no identity: ${svid.reason}`);
    if (svid.spiffeId === serverId) return undefined;
    return new WeftError('WEFT_SERVER_IDENTITY', `the server is ${svid.spiffeId}, not ${serverId}`);
  };
  return grpc.credentials.createFromSecureContext(context, { checkServerIdentity });
}

function unary(client: grpc.Client, call: CertificateCall, deadlineMs: number): Promise<IstioCertificateResponse> {
  const metadata = new grpc.Metadata();
  if (call.proof.kind === 'token') metadata.set('authorization', `Bearer ${call.proof.token}`);
  const request = create(IstioCertificateRequestSchema, {
    csr: call.csrPem,
    validityDuration: BigInt(call.ttlSeconds),
  });
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      PATH,
      (message: IstioCertificateRequest) => Buffer.from(toBinary(IstioCertificateRequestSchema, message)),
      (bytes: Buffer) => fromBinary(IstioCertificateResponseSchema, bytes),
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
