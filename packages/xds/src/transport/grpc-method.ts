/** gRPC method definitions from protobuf-es descriptors: `grpcMethod(FooService.method.bar)`. */
import { fromBinary, toBinary, type DescMessage, type DescMethod, type MessageShape } from '@bufbuild/protobuf';
import type * as grpc from '@grpc/grpc-js';

/** What is needed of a protobuf-es method descriptor. */
export type MethodLike<Input extends DescMessage, Output extends DescMessage> = Pick<
  DescMethod,
  'name' | 'methodKind'
> & {
  readonly parent: { readonly typeName: string };
  readonly input: Input;
  readonly output: Output;
};

/** Path, kinds of stream and codecs of one method, for `grpc.Client.make…Request` and `grpc.Server.addService`. */
export function grpcMethod<Input extends DescMessage, Output extends DescMessage>(
  method: MethodLike<Input, Output>,
): grpc.MethodDefinition<MessageShape<Input>, MessageShape<Output>> {
  const { input, output, methodKind } = method;
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: methodKind === 'client_streaming' || methodKind === 'bidi_streaming',
    responseStream: methodKind === 'server_streaming' || methodKind === 'bidi_streaming',
    requestSerialize: (message) => asBuffer(toBinary(input, message)),
    requestDeserialize: (bytes) => fromBinary(input, bytes),
    responseSerialize: (message) => asBuffer(toBinary(output, message)),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
    originalName: method.name.charAt(0).toLowerCase() + method.name.slice(1),
  };
}

/** The same memory as a Buffer, which grpc-js wants. */
export const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
