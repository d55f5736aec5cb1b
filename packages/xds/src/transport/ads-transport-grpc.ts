/** Delta ADS over gRPC with mutual TLS. */
import type { AdsTransport } from '../client/ads-transport.ts';
import type { ChannelTarget } from './channel.ts';
import { openDuplexStream } from './duplex-stream.ts';
import { readDeltaResponse, writeDeltaRequest } from './wire.ts';

const METHOD = {
  path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
  requestSerialize: writeDeltaRequest,
  responseDeserialize: readDeltaResponse,
};

/** @param target asked for each stream, since address, roots and certificate change; it throws when there is nothing to connect with yet. */
export const createGrpcAdsTransport = (target: () => ChannelTarget): AdsTransport => ({
  open: (events) => openDuplexStream(target(), METHOD, events, 'cancel'),
});
