/** What the ADS server needs from whoever makes the resources. */
import type { ChangeSet, XdsNode, XdsResource } from '../resource.ts';
import type { PeerIdentity } from '../transport/peer.ts';

/** All that one proxy may have at one moment. Never changes: a later state is a new view. */
export interface ResourceView {
  /** Names the snapshot in `version_info`, logs and status pages. */
  readonly version: string;
  /**
   * Everything of one type, by resource name. Asked often: keep it cheap (build on first use, then the same map).
   * Empty for a type that this source does not serve.
   */
  resources(typeUrl: string): ReadonlyMap<string, XdsResource>;
}

/** One connected proxy. */
export interface ProxySession {
  /** The current view. Read at connect, and again each time the listener of `onPush` is called. */
  view(): ResourceView;
  /**
   * Called once. The listener is to be called after `view()` has changed, with what changed since the last call
   * (undefined: compare everything). Calling it for names that are the same or not asked for is harmless.
   */
  onPush(listener: (changes?: ChangeSet) => void): void;
  /** What the proxy is subscribed to; for sources that make only what is asked for. */
  onSubscribed?(typeUrl: string, subscription: Subscription): void;
  /** The proxy took or refused a response. */
  onVerdict?(typeUrl: string, verdict: Verdict): void;
  /** The stream ended. Called once. */
  close(): void;
}

export interface Subscription {
  readonly wildcard: boolean;
  readonly names: ReadonlySet<string>;
}

export interface Verdict {
  readonly accepted: boolean;
  /** Snapshot version of the response that it is about. */
  readonly version: string;
  /** Empty when accepted. */
  readonly message: string;
}

/** Code of the error of a source that can not serve anybody yet: the proxy is to come again, nothing is wrong with it. */
export const SOURCE_NOT_READY = 'WEFT_PILOT_NOT_READY';

export interface XdsSource {
  /**
   * A new stream of an authorized proxy. @throws {WeftError} when the node can not be served (`SOURCE_NOT_READY`: not yet);
   * its message goes to the peer.
   */
  connect(node: XdsNode, peer: PeerIdentity): ProxySession;
}
