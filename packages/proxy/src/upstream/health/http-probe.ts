import { FieldsHead } from '../../head/fields-head.ts';
import type { HeadView } from '../../head/head-view.ts';
import type { UpstreamConnection } from '../../http/connections.ts';
import type { ResponseReceiver, UpstreamStream } from '../../http/streams.ts';
import type { HostPool, PoolWaiter } from '../pool/host-pool.ts';
import type { ProbeSettings, StatusRange } from './health-check-settings.ts';
import type { Probe, ProbeOwner, ProbeResult } from './probe.ts';

const within = (status: number, ranges: readonly StatusRange[]): boolean =>
  ranges.some(({ from, to }) => status >= from && status < to);

/** What an exchange of a probe has in common, whatever it asks. */
abstract class ExchangeProbe implements Probe, PoolWaiter, ResponseReceiver {
  readonly #pool: HostPool;
  readonly #owner: ProbeOwner;
  #upstream: UpstreamStream | undefined;
  #over = false;

  constructor(pool: HostPool, owner: ProbeOwner) {
    this.#pool = pool;
    this.#owner = owner;
  }

  protected abstract send(upstream: UpstreamStream): void;
  /** The response is complete. */
  protected abstract judge(): ProbeResult;

  start(): void {
    this.#pool.acquire(this);
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#upstream === undefined) this.#pool.leave(this);
    else this.#upstream.cancel();
  }

  onPoolReady(connection: UpstreamConnection): void {
    this.#upstream = connection.begin(this);
    this.send(this.#upstream);
    this.#upstream.flush();
  }
  onPoolFailed(): void {
    this.#finish('no-answer');
  }
  onInformational(): void {}
  onResponsePause(): void {}
  onUpstreamWritable(): void {}
  onUpstreamFailed(): void {
    this.#finish('no-answer');
  }
  onResponseHead(status: number, head: HeadView, last: boolean): void {
    this.onHead(status, head);
    if (last) this.#finish(this.judge());
  }
  onResponseData(buffer: Buffer, start: number, end: number, last: boolean): void {
    this.onData(buffer, start, end);
    if (last) this.#finish(this.judge());
  }
  onResponseTrailers(trailers: HeadView): void {
    this.onTrailers(trailers);
    this.#finish(this.judge());
  }

  protected abstract onHead(status: number, head: HeadView): void;
  protected onData(_buffer: Buffer, _start: number, _end: number): void {}
  protected onTrailers(_trailers: HeadView): void {}

  #finish(result: ProbeResult): void {
    if (this.#over) return;
    this.#over = true;
    this.#owner.onProbed(result);
  }
}

/** GET a path, and look at the status. */
export class HttpProbe extends ExchangeProbe {
  readonly #settings: Extract<ProbeSettings, { kind: 'http' }>;
  #status = 0;
  #refusesTraffic = false;

  constructor(settings: Extract<ProbeSettings, { kind: 'http' }>, pool: HostPool, owner: ProbeOwner) {
    super(pool, owner);
    this.#settings = settings;
  }

  protected override send(upstream: UpstreamStream): void {
    const { method, path, host, headers } = this.#settings;
    const head = FieldsHead.request(method, path, host);
    head.add('user-agent', 'weft/health-check');
    for (const [name, value] of headers) head.set(name.toLowerCase(), value);
    upstream.sendHead(head, true);
  }

  protected override onHead(status: number, head: HeadView): void {
    this.#status = status;
    this.#refusesTraffic = head.has('x-envoy-immediate-health-check-fail');
  }

  protected override judge(): ProbeResult {
    const { expected, retriable } = this.#settings;
    if (this.#refusesTraffic) return 'failed-now';
    if (within(this.#status, expected)) return 'passed';
    return within(this.#status, retriable) ? 'failed' : 'failed-now';
  }
}

const SERVING = 1;
const MESSAGE_PREFIX_BYTES = 5;

/** `grpc.health.v1.Health/Check`; SERVING and nothing else is well. */
export class GrpcProbe extends ExchangeProbe {
  readonly #settings: Extract<ProbeSettings, { kind: 'grpc' }>;
  #message = Buffer.alloc(0);
  #grpcStatus: string | undefined;
  #status = 0;

  constructor(settings: Extract<ProbeSettings, { kind: 'grpc' }>, pool: HostPool, owner: ProbeOwner) {
    super(pool, owner);
    this.#settings = settings;
  }

  protected override send(upstream: UpstreamStream): void {
    const head = FieldsHead.request('POST', '/grpc.health.v1.Health/Check', this.#settings.authority);
    head.add('content-type', 'application/grpc');
    head.add('te', 'trailers');
    head.add('user-agent', 'weft/health-check');
    const body = healthCheckRequest(this.#settings.service);
    upstream.sendHead(head, false);
    upstream.sendData(body, 0, body.length, true);
  }

  protected override onHead(status: number, head: HeadView): void {
    this.#status = status;
    this.#grpcStatus = head.get('grpc-status');
  }
  protected override onData(buffer: Buffer, start: number, end: number): void {
    // An answer has a few bytes; what is longer is none.
    if (this.#message.length < 1024) this.#message = Buffer.concat([this.#message, buffer.subarray(start, end)]);
  }
  protected override onTrailers(trailers: HeadView): void {
    this.#grpcStatus = trailers.get('grpc-status') ?? this.#grpcStatus;
  }

  protected override judge(): ProbeResult {
    const served = this.#status === 200 && this.#grpcStatus === '0' && servingStatus(this.#message) === SERVING;
    return served ? 'passed' : 'failed';
  }
}

/** Field 1 of HealthCheckRequest is the service, a text. */
function healthCheckRequest(service: string): Buffer {
  const name = Buffer.from(service);
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const prefix = Buffer.alloc(MESSAGE_PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Field 1 of HealthCheckResponse is the status, a number; absent means 0, which is unknown. */
function servingStatus(framed: Buffer): number {
  if (framed.length < MESSAGE_PREFIX_BYTES || framed[0] !== 0) return 0;
  const message = framed.subarray(MESSAGE_PREFIX_BYTES);
  return message[0] === 0x08 ? (message[1] ?? 0) : 0;
}
