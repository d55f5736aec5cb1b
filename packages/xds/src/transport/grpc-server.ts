/** A gRPC server with the mesh's limits: request size, keepalive, connection age. */
import * as grpc from '@grpc/grpc-js';
import { errorMessage, WeftError } from '@weft/kit';

export interface GrpcServerOptions {
  /** `host:port` (port 0 takes a free one) or `unix:/path`. */
  readonly address: string;
  readonly credentials: grpc.ServerCredentials;
  readonly maxRequestBytes?: number;
  readonly maxStreamsPerConnection?: number;
  /** After this age, with jitter, a connection is asked to leave by GOAWAY, so that replicas even out; 0 = never. */
  readonly maxConnectionAgeMs?: number;
}

export interface GrpcServer {
  addService(service: grpc.ServiceDefinition, handlers: grpc.UntypedServiceImplementation): void;
  /** @returns the bound port; 0 for a Unix socket. @throws {WeftError} WEFT_LISTEN when the address can not be bound. */
  listen(): Promise<number>;
  /** Takes no new calls; running ones may end until the time is over, then they are cut. */
  close(graceMs?: number): Promise<void>;
}

const MIB = 1024 * 1024;
const DEFAULT_AGE_MS = 30 * 60_000;
const AGE_GRACE_MS = 10_000;

export function createGrpcServer(options: GrpcServerOptions): GrpcServer {
  const { address, credentials, maxRequestBytes = 4 * MIB, maxStreamsPerConnection = 1_000 } = options;
  const ageMs = options.maxConnectionAgeMs ?? DEFAULT_AGE_MS;
  const server = new grpc.Server({
    'grpc.max_receive_message_length': maxRequestBytes,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': maxStreamsPerConnection,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    ...(ageMs > 0 ? { 'grpc.max_connection_age_ms': ageMs, 'grpc.max_connection_age_grace_ms': AGE_GRACE_MS } : {}),
  });
  return {
    addService: (service, handlers) => server.addService(service, handlers),
    listen: () =>
      new Promise((resolve, reject) => {
        server.bindAsync(address, credentials, (error, port) => {
          if (!error) resolve(address.startsWith('unix:') ? 0 : port);
          else
            reject(
              new WeftError('WEFT_LISTEN', `can not listen on ${address}: ${errorMessage(error)}`, {
                cause: error,
                where: address,
              }),
            );
        });
      }),
    close: (graceMs = 1_000) =>
      new Promise((resolve) => {
        const cut = setTimeout(() => server.forceShutdown(), graceMs);
        server.tryShutdown(() => {
          clearTimeout(cut);
          resolve();
        });
      }),
  };
}
