/** The discovery protocol: pure state machines, server, client and gRPC transport. */
export { mergeChanges, type ChangeSet, type XdsNode, type XdsResource } from './resource.ts';
export {
  SOURCE_NOT_READY,
  type ProxySession,
  type ResourceView,
  type Subscription,
  type Verdict,
  type XdsSource,
} from './server/xds-source.ts';
export type {
  AdsCounters,
  AdsLimits,
  AdsServer,
  AdsServerOptions,
  ConnectionRecord,
  Exchange,
  TypeRecord,
} from './server/ads-server-types.ts';
export { DEFAULT_ADS_LIMITS } from './server/acceptor.ts';
export { createAdsServer, createSdsServer, type SdsServerOptions } from './server/ads-server.ts';
export { nodeOfPeer } from './server/node-of-peer.ts';
export type {
  AdsClient,
  AdsClientHandlers,
  AdsClientOptions,
  AdsClientState,
  AdsTypeState,
  HeldVersions,
  ReceivedResource,
  RejectedName,
} from './client/ads-client-types.ts';
export type { AdsStream, AdsStreamEvents, AdsTransport } from './client/ads-transport.ts';
export { createAdsClient } from './client/ads-client.ts';
export { createGrpcAdsTransport } from './transport/ads-transport-grpc.ts';
export { grpcMethod } from './transport/grpc-method.ts';
export { createGrpcServer, type GrpcServer, type GrpcServerOptions } from './transport/grpc-server.ts';
export { createRotatingCredentials, type RotatingCredentials, type ServerTls } from './transport/server-credentials.ts';
export { createGrpcClient, type ChannelTarget } from './transport/channel.ts';
export {
  openDuplexStream,
  type DuplexEvents,
  type DuplexMethod,
  type DuplexStream,
} from './transport/duplex-stream.ts';
export { expectServer, peerOf, type PeerIdentity, type PeerVerdict } from './transport/peer.ts';
