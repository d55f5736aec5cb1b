/** gRPC for other services of the mesh, without the discovery protocol. */
export { asBuffer, grpcMethod, type MethodLike } from './grpc-method.ts';
export { createGrpcServer, type GrpcServer, type GrpcServerOptions } from './grpc-server.ts';
export { createRotatingCredentials, type RotatingCredentials, type ServerTls } from './server-credentials.ts';
export { createGrpcClient, type ChannelTarget } from './channel.ts';
export { expectServer, peerOf, type PeerIdentity, type PeerVerdict } from './peer.ts';
