/** Delta ADS over gRPC with mutual TLS: a new connection for each stream, with the roots and certificate of that moment. */
import type * as grpc from '@grpc/grpc-js';
import { errorMessage } from '@weft/kit';
import type { AdsTransport } from '../client/ads-transport.ts';
import type { DeltaRequest, IncomingDelta } from '../protocol/messages.ts';
import { createGrpcClient, type ChannelTarget } from './channel.ts';
import { readDeltaResponse, writeDeltaRequest } from './wire.ts';

const PATH = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';

/** @param target asked for each stream, since address, roots and certificate change; it throws when there is nothing to connect with yet. */
export function createGrpcAdsTransport(target: () => ChannelTarget): AdsTransport {
  return {
    open(events) {
      const client = createGrpcClient(target());
      const call: grpc.ClientDuplexStream<DeltaRequest, IncomingDelta> = client.makeBidiStreamRequest(
        PATH,
        writeDeltaRequest,
        readDeltaResponse,
      );
      let over = false;
      const end = (reason: string): void => {
        if (over) return;
        over = true;
        client.close();
        events.onEnd(reason);
      };
      call.on('data', (response: IncomingDelta) => {
        if (!over) events.onResponse(response);
      });
      call.on('error', (error) => end(errorMessage(error)));
      call.on('end', () => end('the server ended the stream'));
      return {
        send: (request) => void call.write(request),
        close() {
          over = true;
          call.cancel();
          client.close();
        },
      };
    },
  };
}
