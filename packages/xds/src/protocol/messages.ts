/** The messages of the protocol as plain data. `transport/wire.ts` turns them into bytes and back. */
import type { XdsNode } from '../resource.ts';

/** google.rpc.Status without details. */
export interface ErrorDetail {
  readonly code: number;
  readonly message: string;
}

/** google.rpc.Code of a NACK. */
export const INVALID_ARGUMENT = 3;

export interface SotwRequest {
  readonly typeUrl: string;
  readonly node?: XdsNode;
  /** Last version that the client accepted. */
  readonly versionInfo: string;
  readonly names: readonly string[];
  /** Of the response that this answers; empty on the first request of a type. */
  readonly nonce: string;
  /** Present exactly on a NACK. */
  readonly error?: ErrorDetail;
}

export interface DeltaRequest {
  readonly typeUrl: string;
  readonly node?: XdsNode;
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** On the first request of a type: what the client still holds from an earlier stream. */
  readonly initialVersions: ReadonlyMap<string, string>;
  readonly nonce: string;
  readonly error?: ErrorDetail;
}

/** A resource of a delta response as a client reads it. */
export interface IncomingResource {
  readonly name: string;
  readonly version: string;
  /** Type URL of the `Any`; empty with `bytes` undefined in a heartbeat. */
  readonly typeUrl: string;
  readonly bytes: Uint8Array | undefined;
}

export interface IncomingDelta {
  readonly typeUrl: string;
  readonly systemVersion: string;
  readonly nonce: string;
  readonly resources: readonly IncomingResource[];
  readonly removed: readonly string[];
}
