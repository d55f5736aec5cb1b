/** Who is at the other end of a TLS connection, by the URI name of its certificate. */
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import type * as grpc from '@grpc/grpc-js';
import { readSvid, type WorkloadIdentity } from '@weft/contracts';
import { WeftError } from '@weft/kit';

/** A verified peer. */
export interface PeerIdentity {
  readonly spiffeId: string;
  readonly identity: WorkloadIdentity;
  /** Address of its end of the connection, for logs. */
  readonly address: string;
}

export type PeerVerdict = ({ readonly ok: true } & PeerIdentity) | { readonly ok: false; readonly reason: string };

/** What is needed of a gRPC call to know its client. */
export interface PeerCall {
  getPeer(): string;
  getAuthContext(): ReturnType<grpc.ServerUnaryCall<unknown, unknown>['getAuthContext']>;
}

/** The identity of a call's client. The TLS layer has verified the chain; without a client certificate there is no identity. */
export function peerOf(call: PeerCall): PeerVerdict {
  const raw = call.getAuthContext().sslPeerCertificate?.raw;
  if (raw === undefined) return { ok: false, reason: 'a client certificate of this mesh is needed' };
  const svid = readSvid(raw);
  if (!svid.ok) return { ok: false, reason: svid.reason };
  return { ok: true, spiffeId: svid.spiffeId, identity: svid.identity, address: call.getPeer() };
}

/** `checkServerIdentity` of `node:tls` that wants exactly this SPIFFE id, whatever the address was. */
export function expectServer(spiffeId: string): (host: string, peer: PeerCertificate) => Error | undefined {
  return (_host, peer) => {
    const svid = readSvid(peer.raw);
    if (!svid.ok) return new WeftError('WEFT_SERVER_IDENTITY', `the server has no identity: ${svid.reason}`);
    if (svid.spiffeId === spiffeId) return undefined;
    return new WeftError('WEFT_SERVER_IDENTITY', `the server is ${svid.spiffeId}, not ${spiffeId}`);
  };
}

/** The same for a server that is known by a DNS name of its certificate, as istiod is. */
export function expectNamed(name: string): (host: string, peer: PeerCertificate) => Error | undefined {
  return (_host, peer) => {
    const wrong = checkServerIdentity(name, peer);
    if (wrong === undefined) return undefined;
    const names = peer.subjectaltname ?? 'no name at all';
    return new WeftError('WEFT_SERVER_IDENTITY', `the server is not ${name}: its certificate has ${names}`);
  };
}
