/** A client of programs/grpc.mjs, by gRPC's own library. */
import {
  type ChannelCredentials,
  Client,
  credentials,
  Metadata,
  type ServiceError,
  type StatusObject,
} from '@grpc/grpc-js';

export interface EchoRequest {
  readonly text?: string;
  readonly count?: number;
  readonly delayMs?: number;
  readonly status?: number;
  readonly failures?: number;
  readonly key?: string;
}
export interface EchoAnswer {
  readonly text?: string;
  readonly texts?: readonly string[];
  readonly version: string;
  readonly attempt?: number;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly i?: number;
}

export interface CallResult {
  /** 0 is OK. */
  readonly code: number;
  readonly details: string;
  readonly answers: readonly EchoAnswer[];
  readonly initial: Metadata;
  readonly trailing: Metadata;
}

export interface CallOptions {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly deadlineMs?: number;
}

const serialize = (value: EchoRequest): Buffer => Buffer.from(JSON.stringify(value));
const deserialize = (bytes: Buffer): EchoAnswer => JSON.parse(bytes.toString()) as EchoAnswer;
const path = (method: string): string => `/weft.test.Echo/${method}`;

export interface GrpcClient extends Disposable {
  unary(request: EchoRequest, options?: CallOptions): Promise<CallResult>;
  serverStream(request: EchoRequest, options?: CallOptions): Promise<CallResult>;
  clientStream(requests: readonly EchoRequest[], options?: CallOptions): Promise<CallResult>;
  /** Each request is sent once the former was answered. */
  pingPong(requests: readonly EchoRequest[], options?: CallOptions): Promise<CallResult>;
}

/** @param url of a sidecar's listener or a gateway. */
export function grpcClient(url: string, channel: ChannelCredentials = credentials.createInsecure()): GrpcClient {
  const client = new Client(new URL(url).host, channel, { 'grpc.enable_retries': 0 });
  const outcome = (answers: readonly EchoAnswer[], initial: Metadata, status: StatusObject | ServiceError): CallResult => ({
    code: status.code,
    details: status.details,
    answers,
    initial,
    trailing: status.metadata,
  }); // prettier-ignore
  const prepare = ({ metadata = {}, deadlineMs = 20_000 }: CallOptions = {}) => {
    const sent = new Metadata();
    for (const [name, value] of Object.entries(metadata)) sent.set(name, value);
    return { sent, options: { deadline: Date.now() + deadlineMs } };
  };
  return {
    unary: (request, options) =>
      new Promise((resolve) => {
        const { sent, options: callOptions } = prepare(options);
        const answers: EchoAnswer[] = [];
        let initial = new Metadata();
        const call = client.makeUnaryRequest(path('Unary'), serialize, deserialize, request, sent, callOptions, (_, answer) => {
          if (answer !== undefined) answers.push(answer);
        }); // prettier-ignore
        call.on('metadata', (got: Metadata) => (initial = got));
        call.on('status', (status) => setImmediate(() => resolve(outcome(answers, initial, status))));
      }),
    serverStream: (request, options) =>
      new Promise((resolve) => {
        const { sent, options: callOptions } = prepare(options);
        const answers: EchoAnswer[] = [];
        let initial = new Metadata();
        const call = client.makeServerStreamRequest(path('ServerStream'), serialize, deserialize, request, sent, callOptions); // prettier-ignore
        call.on('metadata', (got: Metadata) => (initial = got));
        call.on('data', (answer: EchoAnswer) => answers.push(answer));
        call.on('error', () => undefined);
        call.on('status', (status: StatusObject) => resolve(outcome(answers, initial, status)));
      }),
    clientStream: (requests, options) =>
      new Promise((resolve) => {
        const { sent, options: callOptions } = prepare(options);
        const answers: EchoAnswer[] = [];
        let initial = new Metadata();
        const call = client.makeClientStreamRequest(path('ClientStream'), serialize, deserialize, sent, callOptions, (_, answer) => {
          if (answer !== undefined) answers.push(answer);
        }); // prettier-ignore
        call.on('metadata', (got: Metadata) => (initial = got));
        call.on('status', (status: StatusObject) => setImmediate(() => resolve(outcome(answers, initial, status))));
        for (const request of requests) call.write(request);
        call.end();
      }),
    pingPong: (requests, options) =>
      new Promise((resolve) => {
        const { sent, options: callOptions } = prepare(options);
        const answers: EchoAnswer[] = [];
        let initial = new Metadata();
        const call = client.makeBidiStreamRequest(path('Bidi'), serialize, deserialize, sent, callOptions);
        const next = (): void => {
          const request = requests[answers.length];
          if (request === undefined) call.end();
          else call.write(request);
        };
        call.on('metadata', (got: Metadata) => (initial = got));
        call.on('data', (answer: EchoAnswer) => {
          answers.push(answer);
          next();
        });
        call.on('error', () => undefined);
        call.on('status', (status: StatusObject) => resolve(outcome(answers, initial, status)));
        next();
      }),
    [Symbol.dispose]: () => client.close(),
  };
}
