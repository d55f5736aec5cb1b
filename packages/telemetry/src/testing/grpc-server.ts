/** A real gRPC server on a free port, and clients for it. For tests. */
import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  credentials,
  Server,
  ServerCredentials,
  type ServiceError,
} from '@grpc/grpc-js';
import type { Message } from '@bufbuild/protobuf';
import type { ReportRequest, ReportResponse } from '@weft/contracts/full/weft/telemetry/v1/telemetry';
import { TelemetryService } from '@weft/contracts/full/weft/telemetry/v1/telemetry';
import {
  type CheckRequest,
  type CheckResponse,
  Mixer,
  type ReportRequest as MixerReport,
} from '@weft/contracts/full/mixer/v1/mixer';
import { type GrpcService, serviceDefinition } from '../server/grpc.ts';

export interface TestServer extends AsyncDisposable {
  readonly port: number;
  report(): ClientDuplexStream<ReportRequest, ReportResponse>;
  check(request: CheckRequest): Promise<CheckResponse>;
  mixerReport(request: MixerReport): Promise<void>;
}

export async function serve(
  services: readonly GrpcService[],
  serverCredentials = ServerCredentials.createInsecure(),
  clientCredentials: ChannelCredentials = credentials.createInsecure(),
): Promise<TestServer> {
  const server = new Server();
  for (const { definition, implementation } of services) server.addService(definition, implementation);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', serverCredentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  const client = new Client(`localhost:${port}`, clientCredentials);
  const unary = <I extends Message, O>(name: 'check' | 'report', request: I): Promise<O> => {
    const method = serviceDefinition(Mixer)[name];
    if (!method) throw new Error(`no method ${name}`);
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        (error: ServiceError | null, answer?: unknown) => (error ? reject(error) : resolve(answer as O)),
      );
    });
  };
  return {
    port,
    report() {
      const method = serviceDefinition(TelemetryService)['report'];
      if (!method) throw new Error('no method report');
      return client.makeBidiStreamRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
      ) as ClientDuplexStream<ReportRequest, ReportResponse>;
    },
    check: (request) => unary('check', request),
    mixerReport: async (request) => void (await unary('report', request)),
    [Symbol.asyncDispose]() {
      client.close();
      server.forceShutdown();
      return Promise.resolve();
    },
  };
}

/** Sends the messages in order and gives the answers, one for each. @throws the stream's error. */
export function exchange(
  stream: ClientDuplexStream<ReportRequest, ReportResponse>,
  messages: readonly ReportRequest[],
): Promise<readonly ReportResponse[]> {
  return new Promise((resolve, reject) => {
    const answers: ReportResponse[] = [];
    stream.on('data', (answer: ReportResponse) => {
      answers.push(answer);
      if (answers.length === messages.length) resolve(answers);
    });
    stream.on('error', reject);
    for (const message of messages) stream.write(message);
  });
}
