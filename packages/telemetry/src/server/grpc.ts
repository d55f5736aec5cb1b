/** A grpc-js service from a protobuf-es one. */
import type { DescService } from '@bufbuild/protobuf';
import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { grpcMethod } from '@weft/xds/transport';

/** A service with its handlers: what an app adds to a server. */
export interface GrpcService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

export const serviceDefinition = (service: DescService): ServiceDefinition =>
  Object.fromEntries(service.methods.map((method) => [method.localName, grpcMethod(method)]));
