import type { Socket } from 'node:net';
import { FieldsHead } from '../../../head/fields-head.ts';
import type { HeadView } from '../../../head/head-view.ts';
import type { ConnectionIds } from '../../../http/connection-ids.ts';
import type { UpstreamConnection } from '../../../http/connections.ts';
import type { ResponseReceiver, UpstreamFailure, UpstreamStream } from '../../../http/streams.ts';
import type { WireMeter } from '../../../http/wire-meter.ts';
import type { Cluster } from '../../../upstream/cluster.ts';
import type { Connecting } from '../../../upstream/connector.ts';
import type { Host } from '../../../upstream/host.ts';
import type { Caller } from '../../../upstream/pool/host-pools.ts';
import type { PoolWaiter } from '../../../upstream/pool/host-pool.ts';
import { UpstreamLink } from '../../../upstream/upstream-link.ts';

export interface TunnelEndOptions {
  readonly cluster: Cluster;
  readonly host: Host;
  readonly caller: Caller;
  readonly ids: ConnectionIds;
  /** The client has ended its side with the head already. */
  readonly ended: boolean;
}

/**
 * Where a tunnel ends that a client asked for (RFC 9110 §9.3.6): plain TCP to a host, in the place of a pool, its
 * connection and the exchange on it. It answers 200 as soon as the connection stands.
 */
export class TunnelEnd implements UpstreamConnection, UpstreamStream {
  peerPrincipal = '';
  localAddress = '';
  link: UpstreamLink | undefined = undefined;
  readonly exchanges = 1;
  readonly capacity = 0;
  readonly reused = false;
  listed = false;
  readonly #options: TunnelEndOptions;
  #connecting: Connecting | undefined;
  #socket: Socket | undefined;
  #receiver: ResponseReceiver | undefined;
  #meter: WireMeter | undefined;
  #counted = false;

  constructor(options: TunnelEndOptions) {
    this.#options = options;
  }

  // As a pool.

  acquire(waiter: PoolWaiter): void {
    const { cluster, host, caller, ids } = this.#options;
    if (!cluster.circuit.tryConnection()) return waiter.onPoolFailed('upstream-overflow', 'overflow');
    this.#counted = true;
    host.totalConnections += 1;
    this.#connecting = cluster.openRaw(host, caller, (buffer, start, end) => this.#onData(buffer, start, end), {
      onConnected: (socket, peer) => {
        this.#connecting = undefined;
        this.#socket = socket;
        this.peerPrincipal = peer;
        this.localAddress = `${socket.localAddress ?? ''}:${socket.localPort ?? 0}`;
        this.link = new UpstreamLink(ids.next(), '', socket);
        socket.on('error', (error) => this.#fail('upstream-reset', error.message));
        socket.on('end', () => this.#onEnd());
        socket.on('close', () => this.#fail('upstream-closed', 'connection closed'));
        socket.on('drain', () => this.#receiver?.onUpstreamWritable());
        waiter.onPoolReady(this);
      },
      onConnectFailed: (failure, detail) => {
        host.connectFailures += 1;
        this.#release();
        waiter.onPoolFailed(failure, detail);
      },
    });
  }

  leave(): void {
    this.#connecting?.cancel();
    this.#release();
  }

  #release(): void {
    if (this.#counted) this.#options.cluster.circuit.endConnection();
    this.#counted = false;
  }

  // As a connection.

  begin(receiver: ResponseReceiver): UpstreamStream {
    this.#receiver = receiver;
    return this;
  }
  rest(): void {}
  retire(): void {}
  onBytes(): void {}
  destroy(): void {
    this.cancel();
  }

  // As the exchange.

  meter(into: WireMeter): void {
    this.#meter = into;
  }

  sendHead(_head: HeadView): void {
    // Not from within: the caller is being set up. Bytes of the host come later than this.
    queueMicrotask(() => {
      this.#receiver?.onResponseHead(200, FieldsHead.response(200), false);
      this.#receiver?.onResponsePause();
      if (this.#options.ended) this.#socket?.end();
    });
  }

  sendData(buffer: Buffer, start: number, end: number, last: boolean): void {
    const socket = this.#socket;
    if (socket === undefined || socket.writableEnded || socket.destroyed) return;
    if (end > start) socket.write(Buffer.from(buffer.subarray(start, end)));
    if (this.#meter !== undefined) this.#meter.sent += end - start;
    if (last) socket.end();
  }

  /** TCP has none. */
  sendTrailers(): void {
    this.#socket?.end();
  }

  flush(): void {}
  startTunnel(): void {}

  get congested(): boolean {
    return this.#socket?.writableNeedDrain ?? false;
  }
  pauseResponse(): void {
    this.#socket?.pause();
  }
  resumeResponse(): void {
    this.#socket?.resume();
  }

  cancel(): void {
    this.#receiver = undefined;
    this.#connecting?.cancel();
    this.#release();
    this.#socket?.destroySoon();
  }

  // What the host does.

  #onData(buffer: Buffer, start: number, end: number): void {
    if (this.#meter !== undefined) this.#meter.received += end - start;
    this.#receiver?.onResponseData(buffer, start, end, false);
    this.#receiver?.onResponsePause();
  }

  #onEnd(): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    receiver?.onResponseData(EMPTY, 0, 0, true);
    this.#release();
    this.#socket?.destroySoon();
  }

  #fail(failure: UpstreamFailure, detail: string): void {
    this.#release();
    const receiver = this.#receiver;
    this.#receiver = undefined;
    receiver?.onUpstreamFailed(failure, detail, true);
  }
}

const EMPTY = Buffer.alloc(0);
