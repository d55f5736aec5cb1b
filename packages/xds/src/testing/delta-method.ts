import type * as grpc from '@grpc/grpc-js';
import type { DeltaRequest } from '../protocol/messages.ts';
import type { ServerResponse } from '../protocol/server-stream.ts';
import { asBuffer } from '../transport/grpc-method.ts';
import { readDeltaRequest, readDeltaResponse, writeDeltaRequest, writeDeltaResponse } from '../transport/wire.ts';

/** Delta ADS as a server written by hand serves it; read by a client, an answer tells its type and nonce only. */
export const DELTA_METHOD: grpc.MethodDefinition<DeltaRequest, ServerResponse> = {
  path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
  requestStream: true,
  responseStream: true,
  requestSerialize: writeDeltaRequest,
  requestDeserialize: readDeltaRequest,
  responseSerialize: (response) => asBuffer(writeDeltaResponse(response)),
  responseDeserialize: (bytes) => ({ ...readDeltaResponse(bytes), version: '', resources: [] }),
};
