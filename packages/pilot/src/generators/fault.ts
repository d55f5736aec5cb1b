import type { Any } from '@bufbuild/protobuf/wkt';
import { HTTPFaultSchema } from '@weft/contracts/full/envoy/extensions/filters/http/fault/v3/fault';
import type { HttpFault } from '../config-store/kinds.ts';
import { durationMs } from '../model/duration.ts';
import { duration, pack, percentage } from './envoy.ts';

/** gRPC status numbers by name (gRPC core, statuscodes). */
const GRPC_STATUS: readonly string[] = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];

/** Delay and abort are drawn apart. No percentage means none: Istio's rule, not Envoy's. @returns undefined when nothing would ever be injected. */
export function httpFault({ delay, abort }: HttpFault): Any | undefined {
  const delayMs = durationMs(delay?.fixedDelay);
  const delayPercent = delay?.percentage?.value ?? delay?.percent ?? 0;
  const abortPercent = abort?.percentage?.value ?? 0;
  const errorType = abortType(abort);
  const init = {
    ...(delay && delayMs !== undefined && delayPercent > 0
      ? {
          delay: {
            faultDelaySecifier: { case: 'fixedDelay' as const, value: duration(delayMs) },
            percentage: percentage(delayPercent),
          },
        }
      : {}),
    ...(errorType && abortPercent > 0 ? { abort: { errorType, percentage: percentage(abortPercent) } } : {}),
  };
  return Object.keys(init).length === 0 ? undefined : pack(HTTPFaultSchema, init);
}

function abortType(
  abort: HttpFault['abort'],
): { readonly case: 'httpStatus' | 'grpcStatus'; readonly value: number } | undefined {
  if (abort?.httpStatus !== undefined) return { case: 'httpStatus', value: abort.httpStatus };
  const grpc = abort?.grpcStatus === undefined ? -1 : GRPC_STATUS.indexOf(abort.grpcStatus.toUpperCase());
  return grpc < 0 ? undefined : { case: 'grpcStatus', value: grpc };
}
