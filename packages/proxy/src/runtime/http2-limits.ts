import type { Http2ProtocolOptions } from '@weft/contracts/lean/envoy/config/core/v3/protocol';
import type { H2Limits } from '../http2/connection/options.ts';

/** What `http2_protocol_options` says of floods, for either side. */
export function floodLimits(options: Http2ProtocolOptions | undefined, defaults: H2Limits): Partial<H2Limits> {
  if (options === undefined) return {};
  return {
    maxQueuedFrames: options.maxOutboundFrames ?? defaults.maxQueuedFrames,
    maxQueuedControlFrames: options.maxOutboundControlFrames ?? defaults.maxQueuedControlFrames,
    // Envoy's 0 allows none.
    maxEmptyFrames: options.maxConsecutiveInboundFramesWithEmptyPayload ?? defaults.maxEmptyFrames,
    maxPriorityPerStream: options.maxInboundPriorityFramesPerStream ?? defaults.maxPriorityPerStream,
    maxWindowUpdatesPerData: options.maxInboundWindowUpdateFramesPerDataFrameSent ?? defaults.maxWindowUpdatesPerData,
  };
}
