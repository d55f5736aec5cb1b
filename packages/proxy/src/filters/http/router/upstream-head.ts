// What the router changes in heads: the request's on its way to a host, the response's on its way back.
import type { ReasonCode } from '@weft/contracts';
import { type ForwardAction, rewritePath } from '@weft/evaluator';
import { knownReason } from '../../../failures.ts';
import type { HeadView } from '../../../head/head-view.ts';
import type { UpstreamConnection } from '../../../http/connections.ts';
import type { PeerExchange } from '../../../ports.ts';
import { applyEdits } from '../header-edits.ts';
import type { Outcome } from '../hcm-settings.ts';
import { stripMeshHeaders } from '../request-headers.ts';
import type { RoutedStream } from './routed-stream.ts';

/** Everything that is the same for each attempt. */
export function rewriteRequest(stream: RoutedStream, head: HeadView, outcome: Outcome, action: ForwardAction): void {
  if (action.prefixRewrite !== '' || action.regexRewrite !== undefined) {
    const path = rewritePath(stream.path, outcome.route.match, action.prefixRewrite, action.regexRewrite);
    if (path !== stream.path) {
      head.set('x-envoy-original-path', head.get(':path') ?? '');
      head.set(':path', stream.query === '' ? path : `${path}?${stream.query}`);
    }
  }
  if (outcome.requestMutations.length > 0) applyEdits(outcome.requestMutations, head, stream);
  if (outcome.hostRewrite !== '') {
    if (action.appendForwardedHost) head.add('x-forwarded-host', stream.authority);
    head.set(':authority', outcome.hostRewrite);
  }
}

/**
 * Tells a peer of the mesh once per connection who is calling.
 * @param again an attempt before this one may have told its peer.
 */
export function introduceCaller(
  peers: PeerExchange | undefined,
  connection: UpstreamConnection,
  head: HeadView,
  again: boolean,
): void {
  if (peers === undefined || connection.peerPrincipal === '') return;
  if (connection.exchanges > 1) {
    if (again) head.remove('x-envoy-peer-metadata');
    return;
  }
  head.set('x-envoy-peer-metadata-id', peers.id);
  head.set('x-envoy-peer-metadata', peers.metadata);
}

/**
 * Takes from a response what only this proxy is to see.
 * @param trusted it came from a proxy of the mesh.
 * @returns why that proxy answered in its application's place, if it did.
 */
export function takeMeshHeaders(head: HeadView, trusted: boolean): ReasonCode | undefined {
  let reason: ReasonCode | undefined;
  if (trusted) reason = knownReason(head.get('x-weft-reason') ?? '');
  else stripMeshHeaders(head);
  head.remove('x-envoy-peer-metadata');
  head.remove('x-envoy-peer-metadata-id');
  return reason;
}
