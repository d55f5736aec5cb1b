/** The gRPC services of discovery: ADS for the mesh, SDS for the agent of a real Envoy. */
import type * as grpc from '@grpc/grpc-js';
import type { DeltaRequest, SotwRequest } from '../protocol/messages.ts';
import { peerOf, type PeerCall, type PeerIdentity } from '../transport/peer.ts';
import { readDeltaRequest, readSotwRequest, writeDeltaResponse, writeSotwResponse } from '../transport/wire.ts';
import { createAcceptor, DELTA, SOTW, type AdsCall } from './acceptor.ts';
import type { AdsServer, AdsServerOptions } from './ads-server-types.ts';

const ADS = '/envoy.service.discovery.v3.AggregatedDiscoveryService';
const SDS = '/envoy.service.secret.v3.SecretDiscoveryService';

const ownMessage = (): never => {
  throw new TypeError('this side only reads requests and writes responses');
};

// Requests are decoded and responses encoded at the edge; what is between handles plain data.
const SOTW_CODEC = {
  requestStream: true,
  responseStream: true,
  requestSerialize: ownMessage,
  requestDeserialize: readSotwRequest,
  responseSerialize: writeSotwResponse,
  responseDeserialize: ownMessage,
} as const;
const DELTA_CODEC = {
  ...SOTW_CODEC,
  requestDeserialize: readDeltaRequest,
  responseSerialize: writeDeltaResponse,
} as const;

/** AggregatedDiscoveryService, both methods. */
export function createAdsServer(options: AdsServerOptions): AdsServer {
  const { accept, ...server } = createAcceptor(options, peerOf);
  return {
    ...server,
    service: {
      streamAggregatedResources: { path: `${ADS}/StreamAggregatedResources`, ...SOTW_CODEC },
      deltaAggregatedResources: { path: `${ADS}/DeltaAggregatedResources`, ...DELTA_CODEC },
    },
    handlers: {
      streamAggregatedResources: (call: AdsCall<SotwRequest>) => accept(SOTW, call),
      deltaAggregatedResources: (call: AdsCall<DeltaRequest>) => accept(DELTA, call),
    },
  };
}

export interface SdsServerOptions extends AdsServerOptions {
  /** Everybody who can connect is this one: for a Unix socket that only its owner may open. */
  readonly peer: PeerIdentity;
}

/** SecretDiscoveryService, state of the world only, as Envoy asks a workload's agent. */
export function createSdsServer(options: SdsServerOptions): AdsServer {
  const identify = (_call: PeerCall): { ok: true } & PeerIdentity => ({ ok: true, ...options.peer });
  const { accept, ...server } = createAcceptor(options, identify);
  return {
    ...server,
    service: {
      streamSecrets: { path: `${SDS}/StreamSecrets`, ...SOTW_CODEC } as grpc.MethodDefinition<unknown, unknown>,
    },
    handlers: { streamSecrets: (call: AdsCall<SotwRequest>) => accept(SOTW, call) },
  };
}
