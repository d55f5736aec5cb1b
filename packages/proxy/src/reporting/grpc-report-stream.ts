import type { ClientDuplexStream } from '@grpc/grpc-js';
import {
  type ReportRequest,
  type ReportResponse,
  TelemetryService,
} from '@weft/contracts/full/weft/telemetry/v1/telemetry';
import { errorMessage } from '@weft/kit';
import { type ChannelTarget, createGrpcClient, grpcMethod } from '@weft/xds';
import type { ReporterDeps } from './reporter.ts';

/** Opens report streams to the control plane over mutual TLS, each with the certificate of its moment. */
export function grpcReportStream(target: () => ChannelTarget): ReporterDeps['open'] {
  const method = grpcMethod(TelemetryService.method.report);
  return (events) => {
    const client = createGrpcClient(target());
    const call: ClientDuplexStream<ReportRequest, ReportResponse> = client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
    );
    let over = false;
    const end = (reason: string): void => {
      if (over) return;
      over = true;
      client.close();
      events.onEnd(reason);
    };
    call.on('data', (response: ReportResponse) => {
      if (!over) events.onResponse(response);
    });
    call.on('error', (error) => end(errorMessage(error)));
    call.on('end', () => end('the receiver ended the stream'));
    return {
      send: (request) => void call.write(request),
      close() {
        over = true;
        call.end();
        client.close();
      },
    };
  };
}
