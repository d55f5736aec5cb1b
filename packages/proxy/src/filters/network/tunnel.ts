import { EventEmitter } from 'node:events';
import { FieldsHead } from '../../head/fields-head.ts';
import type { HeadView } from '../../head/head-view.ts';
import type { UpstreamConnection } from '../../http/connections.ts';
import type { ResponseReceiver, UpstreamFailure, UpstreamStream } from '../../http/streams.ts';
import type { TakeBytes } from '../../sockets/byte-reader.ts';
import type { Connecting } from '../../upstream/connector.ts';
import type { HostPool, PoolWaiter } from '../../upstream/pool/host-pool.ts';

/** What a TCP session needs of its upstream: a socket, or a tunnel that looks like one. */
export interface TcpUpstream {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  /** @returns false when the caller should wait for `drain`. */
  write(bytes: Buffer): boolean;
  end(): unknown;
  pause(): unknown;
  resume(): unknown;
  destroySoon(): void;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'close' | 'end' | 'drain', listener: () => void): unknown;
}

export interface TunnelSettings {
  /** `host:port` that the other end is asked for. */
  readonly target: string;
  readonly method: 'CONNECT' | 'POST';
}

export interface TunnelOutcome {
  onConnected(tunnel: TcpUpstream, peer: string): void;
  onConnectFailed(failure: UpstreamFailure, detail: string): void;
}

/**
 * TCP carried in one HTTP exchange, over whatever the cluster speaks (RFC 9110 §9.3.6, RFC 9113 §8.5). Nothing of the
 * client goes out before the other end said yes.
 */
export class Tunnel extends EventEmitter implements TcpUpstream, PoolWaiter, ResponseReceiver, Connecting {
  readonly #pool: HostPool;
  readonly #settings: TunnelSettings;
  readonly #take: TakeBytes;
  readonly #outcome: TunnelOutcome;
  #stream: UpstreamStream | undefined;
  #peer = '';
  #open = false;
  #over = false;
  #ended = false;

  constructor(pool: HostPool, settings: TunnelSettings, take: TakeBytes, outcome: TunnelOutcome) {
    super();
    this.#pool = pool;
    this.#settings = settings;
    this.#take = take;
    this.#outcome = outcome;
  }

  start(): void {
    this.#pool.acquire(this);
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#stream === undefined) this.#pool.leave(this);
    else this.#stream.cancel();
  }

  // The pool.

  onPoolReady(connection: UpstreamConnection): void {
    const { target, method } = this.#settings;
    const stream = connection.begin(this);
    this.#stream = stream;
    this.#peer = connection.peerPrincipal;
    const head = FieldsHead.request(method, method === 'CONNECT' ? '' : '/', target);
    stream.sendHead(head, false);
    stream.flush();
  }

  onPoolFailed(failure: UpstreamFailure, detail: string): void {
    this.#fail(failure, detail);
  }

  // The other end.

  onInformational(): void {}

  onResponseHead(status: number, _head: HeadView, last: boolean): void {
    if (status < 200 || status >= 300 || last) {
      this.#stream?.cancel();
      this.#fail('upstream-connect-failure', `the tunnel was refused with ${status}`);
      return;
    }
    this.#open = true;
    if (this.#settings.method === 'CONNECT') this.#stream?.startTunnel();
    this.#outcome.onConnected(this, this.#peer);
  }

  onResponseData(buffer: Buffer, start: number, end: number, last: boolean): void {
    if (end > start) this.#take(buffer, start, end);
    if (last) this.#onEnd();
  }

  onResponseTrailers(): void {
    this.#onEnd();
  }

  onResponsePause(): void {}

  onUpstreamWritable(): void {
    this.emit('drain');
  }

  onUpstreamFailed(failure: UpstreamFailure, detail: string): void {
    this.#stream = undefined;
    if (this.#open) this.#gone(new Error(detail));
    else this.#fail(failure, detail);
  }

  #fail(failure: UpstreamFailure, detail: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#stream = undefined;
    this.#outcome.onConnectFailed(failure, detail);
  }

  #onEnd(): void {
    this.emit('end');
    if (this.#settings.method === 'POST' || this.#ended) this.#gone(undefined);
  }

  #gone(error: Error | undefined): void {
    if (this.#over) return;
    this.#over = true;
    if (error !== undefined) this.emit('error', error);
    this.emit('close');
  }

  // As a socket.

  get localAddress(): string | undefined {
    return this.#stream?.localAddress.replace(/:\d+$/, '');
  }
  get localPort(): number | undefined {
    return Number(/:(\d+)$/.exec(this.#stream?.localAddress ?? '')?.[1] ?? 0);
  }

  write(bytes: Buffer): boolean {
    const stream = this.#stream;
    if (stream === undefined || this.#over || this.#ended) return true;
    stream.sendData(bytes, 0, bytes.length, false);
    stream.flush();
    return !stream.congested;
  }

  end(): void {
    if (this.#ended || this.#over) return;
    this.#ended = true;
    this.#stream?.sendData(EMPTY, 0, 0, true);
  }

  pause(): void {
    this.#stream?.pauseResponse();
  }

  resume(): void {
    this.#stream?.resumeResponse();
  }

  destroySoon(): void {
    if (this.#over) return;
    this.#over = true;
    this.#stream?.cancel();
  }
}

const EMPTY = Buffer.alloc(0);
