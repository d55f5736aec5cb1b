import type { ReasonCode } from '@weft/contracts';
import type { HeadView } from '../../../head/head-view.ts';
import type { Host } from '../../../upstream/host.ts';
import type { OutlierDetection } from '../../../upstream/outlier/outlier-detection.ts';

// https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto: status of HTTP for each of gRPC.
const HTTP_STATUS: readonly number[] = [
  200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
];
const UNKNOWN = 500;

const httpStatusOf = (grpcStatus: string): number => HTTP_STATUS[Number(grpcStatus)] ?? UNKNOWN;

/** Tells how a host answered. A gRPC answer is as good as its grpc-status, which may come with the trailers only. */
export function noteHead(outlier: OutlierDetection, host: Host, status: number, head: HeadView): void {
  if (status !== 200) return outlier.onStatus(host, status);
  const grpcStatus = head.get('grpc-status');
  if (grpcStatus !== undefined) outlier.onStatus(host, httpStatusOf(grpcStatus));
  else if (head.get('content-type')?.startsWith('application/grpc') !== true) outlier.onStatus(host, status);
}

export function noteTrailers(outlier: OutlierDetection, host: Host, trailers: HeadView): void {
  const grpcStatus = trailers.get('grpc-status');
  if (grpcStatus !== undefined) outlier.onStatus(host, httpStatusOf(grpcStatus));
}

const TIMEOUTS: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  'per-try-timeout',
  'route-timeout',
  'upstream-connect-timeout',
]);

/** Tells that no answer came. Limits of our own say nothing about the host. */
export function noteFailure(outlier: OutlierDetection, host: Host, failure: ReasonCode): void {
  if (failure !== 'upstream-overflow') outlier.onLocalFailure(host, TIMEOUTS.has(failure) ? 504 : 503);
}
