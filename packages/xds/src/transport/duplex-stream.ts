/** One stream to the control plane: a new connection for each, with the roots and certificate of that moment. */
import type * as grpc from '@grpc/grpc-js';
import { errorMessage } from '@weft/kit';
import { callMetadata, createGrpcClient, type ChannelTarget } from './channel.ts';

export interface DuplexMethod<Out, In> {
  readonly path: string;
  readonly requestSerialize: (message: Out) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => In;
}

export interface DuplexEvents<In> {
  onResponse(message: In): void;
  /** Once, unless this side closed it. */
  onEnd(reason: string): void;
}

export interface DuplexStream<Out> {
  send(message: Out): void;
  close(): void;
}

/** @param leave how this side goes: `end` lets what was written arrive, `cancel` does not wait for anything. */
export function openDuplexStream<Out, In>(
  target: ChannelTarget,
  method: DuplexMethod<Out, In>,
  events: DuplexEvents<In>,
  leave: 'end' | 'cancel',
): DuplexStream<Out> {
  const client = createGrpcClient(target);
  const call: grpc.ClientDuplexStream<Out, In> = client.makeBidiStreamRequest(
    method.path,
    method.requestSerialize,
    method.responseDeserialize,
    callMetadata(target),
  );
  let over = false;
  const end = (reason: string): void => {
    if (over) return;
    over = true;
    client.close();
    events.onEnd(reason);
  };
  call.on('data', (message: In) => {
    if (!over) events.onResponse(message);
  });
  call.on('error', (error) => end(errorMessage(error)));
  call.on('end', () => end('the server ended the stream'));
  return {
    send: (message) => void call.write(message),
    close() {
      over = true;
      call[leave]();
      client.close();
    },
  };
}
