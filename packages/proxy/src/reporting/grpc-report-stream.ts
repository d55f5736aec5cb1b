import { TelemetryService } from '@weft/contracts/full/weft/telemetry/v1/telemetry';
import { type ChannelTarget, grpcMethod, openDuplexStream } from '@weft/xds';
import type { ReporterDeps } from './reporter.ts';

/** Opens report streams to the control plane over mutual TLS, each with the certificate of its moment. */
export function grpcReportStream(target: () => ChannelTarget): ReporterDeps['open'] {
  const method = grpcMethod(TelemetryService.method.report);
  return (events) => openDuplexStream(target(), method, events, 'end');
}
