// Node's own HTTP/1 (llhttp), strict, over connections in memory.
import { ClientRequest, createServer, type IncomingMessage, type Server } from 'node:http';
import { Duplex } from 'node:stream';
import type { Line } from './http1.ts';

export interface NodeMessage {
  readonly method: string;
  readonly target: string;
  readonly status: number;
  readonly lines: readonly Line[];
  readonly body: string;
  readonly trailers: readonly Line[];
  readonly complete: boolean;
}

export interface NodeReading {
  readonly messages: readonly NodeMessage[];
  /** Code of its refusal, or empty. */
  readonly error: string;
}

function wire(): Duplex {
  return new Duplex({
    read: () => {},
    write: (_chunk, _encoding, done) => done(),
  });
}

const pairs = (raw: readonly string[]): Line[] =>
  Array.from({ length: raw.length / 2 }, (_, i): Line => [raw[2 * i] ?? '', raw[2 * i + 1] ?? '']);

function show(message: IncomingMessage, body: string): NodeMessage {
  return {
    method: message.method ?? '',
    target: message.url ?? '',
    status: message.statusCode ?? 0,
    lines: pairs(message.rawHeaders),
    body,
    trailers: pairs(message.rawTrailers),
    complete: message.complete,
  };
}

/** All that has come of a body that nobody has read. */
const bodyOf = (message: IncomingMessage): string => (message.read() as Buffer | null)?.toString('latin1') ?? '';

export class NodeServer {
  readonly #server: Server;
  #requests: IncomingMessage[] = [];
  #error = '';

  constructor() {
    const take = (request: IncomingMessage): void => void this.#requests.push(request);
    // Whether there is a Host is asked above its parser, by an option; here it is our own question.
    this.#server = createServer({ insecureHTTPParser: false, requireHostHeader: false });
    this.#server.on('request', take).on('checkContinue', take).on('checkExpectation', take).on('connect', take);
    this.#server.on('clientError', (error: NodeJS.ErrnoException) => (this.#error = error.code ?? error.message));
  }

  read(input: Buffer): NodeReading {
    this.#requests = [];
    this.#error = '';
    const connection = wire();
    connection.on('error', () => {});
    this.#server.emit('connection', connection);
    connection.emit('data', Buffer.from(input));
    const messages = this.#requests.map((request) => show(request, bodyOf(request)));
    const error = this.#error;
    connection.destroy();
    return { messages, error };
  }

  close(): void {
    this.#server.close();
  }
}

/** One request of Node's client, whose answer is given to it once it has its connection. */
export class NodeExchange {
  readonly #connection = wire();
  #answer: IncomingMessage | undefined;
  #rest = '';
  #error = '';
  /** Statuses of informational answers. */
  before = '';

  constructor(method: string, headers: Readonly<Record<string, string>>) {
    this.#connection.on('error', () => {});
    const request = new ClientRequest({
      method,
      path: method === 'CONNECT' ? 'h:443' : '/',
      headers: { host: 'h', ...headers },
      insecureHTTPParser: false,
      createConnection: () => this.#connection,
    });
    request.on('error', (error: NodeJS.ErrnoException) => (this.#error ||= error.code ?? error.message));
    request.on('response', (answer) => (this.#answer = answer));
    request.on('information', ({ statusCode }) => (this.before += `${statusCode} `));
    const tunnel = (answer: IncomingMessage, _socket: unknown, head: Buffer): void => {
      this.#answer = answer;
      this.#rest = head.toString('latin1');
    };
    request.on('upgrade', tunnel).on('connect', tunnel);
    request.end();
  }

  /** A turn of the event loop after its making. */
  read(input: Buffer): NodeReading {
    this.#connection.emit('data', Buffer.from(input));
    const answer = this.#answer;
    answer?.on('error', () => {});
    this.#connection.emit('end');
    const messages = answer === undefined ? [] : [show(answer, bodyOf(answer) + this.#rest)];
    this.#connection.destroy();
    return { messages, error: this.#error };
  }
}
