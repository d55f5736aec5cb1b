import type { Clock, Logger, Random } from '@weft/kit';
import type { XdsNode } from '../resource.ts';
import type { AdsTransport } from './ads-transport.ts';

/** A resource as received. */
export interface ReceivedResource {
  readonly name: string;
  readonly version: string;
  readonly typeUrl: string;
  /** The encoded message: `value` of the `Any`. May be kept; it does not hold on to the whole response. */
  readonly bytes: Uint8Array;
}

export interface RejectedName {
  readonly name: string;
  /** Names the field and what is wrong with it; goes into the NACK. */
  readonly reason: string;
}

export interface AdsClientHandlers {
  /**
   * New and changed resources, and names that are gone or do not exist. Called in the order of arrival, one response at
   * a time. It may call `setSubscriptions`: requests go out together afterwards. Endpoints of new clusters are best asked
   * for right here: the server then knows of them when it learns that the clusters were taken.
   * @returns what could not be taken. The rest of the response stands, and the former version of a rejected resource stays
   * in force. Throwing rejects all of it.
   */
  onUpdate(typeUrl: string, added: readonly ReceivedResource[], removed: readonly string[]): readonly RejectedName[];
  /** After each change of `state()`. */
  onState?(state: AdsClientState): void;
}

/** What is on disk from an earlier run: type URL → name → version. Claimed on connect, so that only differences are sent. */
export type HeldVersions = ReadonlyMap<string, ReadonlyMap<string, string>>;

export interface AdsClientOptions {
  readonly transport: AdsTransport;
  readonly node: Partial<XdsNode> & Pick<XdsNode, 'id'>;
  readonly handlers: AdsClientHandlers;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly held?: HeldVersions;
  /** Default 500 ms, doubling with jitter up to 30 s; back to the start after a response. */
  readonly backoff?: { readonly baseMs: number; readonly maxMs: number };
}

export interface AdsClient {
  /** Connects, and reconnects until `close`. */
  start(): void;
  /** Replaces the subscription of one type; `*` asks for all there is. Names no longer wanted are forgotten. Harmless when equal. */
  setSubscriptions(typeUrl: string, names: Iterable<string> | '*'): void;
  state(): AdsClientState;
  /** Drops the stream and connects anew at once, for example with a new certificate. */
  reconnect(): void;
  close(): void;
}

export interface AdsClientState {
  readonly connected: boolean;
  /** Epoch milliseconds of the current stream's first response. */
  readonly connectedAt?: number;
  /** Failed attempts since the last response. */
  readonly failures: number;
  /** Why the last stream ended; gone after the next response. */
  readonly lastError?: string;
  readonly types: readonly AdsTypeState[];
}

export interface AdsTypeState {
  readonly typeUrl: string;
  readonly wildcard: boolean;
  readonly names: readonly string[];
  /** A response for this type came since the client was created. */
  readonly received: boolean;
  /** Subscribed names without an answer yet on any stream. Empty for a wildcard. */
  readonly waitingFor: readonly string[];
  /** Accepted resources that the client holds. */
  readonly resources: number;
  readonly lastUpdateAt?: number;
  readonly accepted: number;
  readonly nacked: number;
  /** What stands rejected: name → reason. */
  readonly rejected: ReadonlyMap<string, string>;
}
