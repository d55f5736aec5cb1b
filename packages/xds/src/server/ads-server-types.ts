import type * as grpc from '@grpc/grpc-js';
import type { Clock, Logger, Random } from '@weft/kit';
import type { XdsNode } from '../resource.ts';
import type { PeerIdentity } from '../transport/peer.ts';
import type { XdsSource } from './xds-source.ts';

export interface AdsServerOptions {
  readonly source: XdsSource;
  /** @returns why this peer may not be this node; undefined when it may. Default: `nodeOfPeer`, namespace and account must match. */
  readonly authorize?: (node: XdsNode, peer: PeerIdentity) => string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly limits?: Partial<AdsLimits>;
}

export interface AdsLimits {
  /** Streams in all. */
  readonly streams: number;
  readonly streamsPerIdentity: number;
  /** New streams a second; a burst of the same size is allowed. */
  readonly newStreamsPerSecond: number;
  readonly typesPerStream: number;
  /** Names that one stream may be subscribed to, for each type. */
  readonly namesPerType: number;
  /** A proxy that leaves a response unanswered for so long is disconnected. */
  readonly answerTimeoutMs: number;
  /** A stream without its first request for so long is ended. */
  readonly firstRequestTimeoutMs: number;
}

export interface AdsServer {
  /** Both methods of AggregatedDiscoveryService, for `grpc.Server.addService`. */
  readonly service: grpc.ServiceDefinition;
  readonly handlers: grpc.UntypedServiceImplementation;
  connections(): readonly ConnectionRecord[];
  counters(): AdsCounters;
  /** Ends every stream, so that proxies go elsewhere. */
  close(): void;
}

export interface AdsCounters {
  readonly streamsOpened: number;
  readonly streamsRefused: number;
  readonly responses: number;
  readonly rejects: number;
  readonly staleNonces: number;
}

/** One connected proxy, for `proxy-status` and the console. */
export interface ConnectionRecord {
  readonly id: string;
  readonly node: XdsNode;
  readonly peer: PeerIdentity;
  readonly protocol: 'delta' | 'sotw';
  /** Epoch milliseconds. */
  readonly connectedAt: number;
  readonly types: readonly TypeRecord[];
}

export interface TypeRecord {
  readonly typeUrl: string;
  readonly wildcard: boolean;
  /** Names asked for. */
  readonly names: readonly string[];
  /** Resources that the proxy has, as far as the server knows. */
  readonly resources: number;
  /** `synced`: all was accepted; `pending`: something is to be sent or answered; `nacked`: the last answer about some resource was no. */
  readonly status: 'synced' | 'pending' | 'nacked';
  readonly sent?: Exchange;
  readonly acked?: Exchange;
  readonly nacked?: Exchange & { readonly message: string };
}

export interface Exchange {
  readonly nonce: string;
  /** Version of the snapshot that the response was made from. */
  readonly version: string;
  readonly at: number;
}
