import type { Clock, Random } from '@weft/kit';
import type { ReasonCode } from '@weft/contracts';
import type { AuthorizationFacts, CompiledRoute, PackedConfig, RegexEngine } from '@weft/evaluator';
import type { HeadView } from '../../head/head-view.ts';
import type { DownstreamStream } from '../../http/streams.ts';
import type { StatsSink } from '../../ports.ts';
import type { TokenBuckets } from './local-rate-limit/token-bucket.ts';
import type { RequestRecord } from '../../request-record.ts';
import type { SharedCells } from '../../shared/shared-cells.ts';
import type { TimerQueue } from '../../timers/timer-queue.ts';

/**
 * `continue`: go on with the next filter. `pending`: the filter calls `stream.resume()` later. `replied`: the filter
 * has answered through `stream.reply()`.
 */
export type FilterStatus = 'continue' | 'pending' | 'replied';

export interface ReplyOptions {
  readonly status?: number;
  readonly grpcStatus?: number;
  readonly details?: string;
  readonly body?: string | Uint8Array;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** The proxy only carries out configuration here (redirect, direct response): no reason header. */
  readonly silent?: boolean;
}

/** One request as a filter sees it. */
export interface FilterStream extends AuthorizationFacts {
  readonly record: RequestRecord;
  readonly downstream: Pick<DownstreamStream, 'connection'>;
  /** Cluster of the route, once there is one. */
  readonly clusterName: string;
  /** State of filters, by their slot. */
  readonly slots: unknown[];
  /** "address:port" of the host that the client's session is bound to; empty when it is not. A filter may set it. */
  boundTo: string;
  /** That host or none. */
  boundStrictly: boolean;
  requestHeader(name: string): string | undefined;
  /** After `pending`. */
  resume(): void;
  /** Answers in the place of an upstream. */
  reply(reason: ReasonCode, options?: ReplyOptions): void;
}

/** One step of the request path. It answers at once, or says `pending`: no promise, no closure. State is in `stream.slots`. */
export interface HttpFilter {
  readonly name: string;
  onRequestHead?(stream: FilterStream, head: HeadView): FilterStatus;
  /** The bytes are valid during the call. */
  onRequestData?(stream: FilterStream, buffer: Buffer, start: number, end: number, last: boolean): FilterStatus;
  /** The end of a request that has trailers: no data was `last`. */
  onRequestTrailers?(stream: FilterStream, trailers: HeadView): FilterStatus;
  onResponseHead?(stream: FilterStream, head: HeadView): FilterStatus;
  onResponseData?(stream: FilterStream, buffer: Buffer, start: number, end: number, last: boolean): FilterStatus;
  onResponseTrailers?(stream: FilterStream, trailers: HeadView): FilterStatus;
  /** Other bytes in the place of these, after this filter's `onRequestData`; undefined leaves them. Valid until the next call. */
  replaceRequestData?(stream: FilterStream, buffer: Buffer, start: number, end: number, last: boolean): Buffer | undefined; // prettier-ignore
  replaceResponseData?(stream: FilterStream, buffer: Buffer, start: number, end: number, last: boolean): Buffer | undefined; // prettier-ignore
  /** Data that ends the message in the place of trailers. */
  replaceResponseTrailers?(stream: FilterStream, trailers: HeadView): Buffer | undefined;
  /** Exactly once, however the request ended. */
  onDestroy?(stream: FilterStream): void;
}

export interface FilterDeps {
  readonly clock: Clock;
  readonly timers: TimerQueue;
  readonly random: Random;
  readonly regex: RegexEngine;
  readonly stats: StatsSink;
  readonly buckets: TokenBuckets;
  /** Where workers count together. */
  readonly shared: SharedCells;
}

/** What is known when the filters of one connection manager's routes are made. */
export interface CompileDeps extends FilterDeps {
  readonly statPrefix: string;
  /** undefined for requests that match none. */
  readonly route: CompiledRoute | undefined;
}

export interface HttpFilterFactory<Config> {
  readonly typeName: string;
  /** Types of per-route configuration, where they differ. */
  readonly routeTypeNames?: readonly string[];
  /** @throws {ConfigRejectedError} its message becomes the NACK detail. */
  parse(config: PackedConfig, deps: FilterDeps, resource: string): Config;
  /** @throws {ConfigRejectedError} */
  /** @param nth how many equal ones the resource had before; for what keeps state by its place. */
  parseRoute?(config: PackedConfig, deps: FilterDeps, resource: string, nth: number): Config;
  /**
   * Called when config changes, once per route. `slot` is the filter's place in `stream.slots`.
   * @param routeConfig of the most specific level that has one. @returns undefined when there is nothing to do there.
   */
  compile(config: Config, routeConfig: Config | undefined, slot: number, deps: CompileDeps): HttpFilter | undefined;
}
