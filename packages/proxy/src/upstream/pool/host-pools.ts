import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { ConnectionKeeper, UpstreamConnection } from '../../http/connections.ts';
import type { ConnectionIds } from '../../http/connection-ids.ts';
import type { DownstreamConnection } from '../../http/streams.ts';
import { H1ClientConnection } from '../../http1/client-connection.ts';
import { CARRIED_ALPN } from '../../http2/carried.ts';
import { H2ClientConnection } from '../../http2/connection/client-connection.ts';
import type { H2Counters } from '../../http2/connection/counters.ts';
import type { H2Shared } from '../../http2/connection/h2-connection.ts';
import { DEFAULT_H2_LIMITS, forMesh, MESH_KEEPALIVE } from '../../http2/connection/options.ts';
import type { WriteSlabs } from '../../sockets/write-slabs.ts';
import type { TakeBytes } from '../../sockets/byte-reader.ts';
import type { TimerQueue } from '../../timers/timer-queue.ts';
import type { Circuit } from '../circuit.ts';
import type { Connecting, ConnectOutcome } from '../connector.ts';
import type { UpstreamHttp } from '../upstream-http.ts';
import { UpstreamLink } from '../upstream-link.ts';
import { HostPool } from './host-pool.ts';
import type { Speaks } from './speaks.ts';

/** On whose behalf a connection is made. */
export type Caller = Pick<DownstreamConnection, 'remoteAddress' | 'remotePort' | 'localAddress' | 'localPort'>;

export interface HostPoolsOptions {
  readonly circuit: Circuit;
  readonly timers: TimerQueue;
  readonly ids: ConnectionIds;
  readonly http2: H2Shared;
  readonly slabs: WriteSlabs;
  readonly http2Counters: () => H2Counters;
  /** As they are when a connection is made. */
  readonly http: () => UpstreamHttp;
  /** Whether the host is reached by TLS, so that protocols can be agreed on. */
  readonly secure: boolean;
  /** Whether connections tell who their caller is, so that callers can not share them. */
  readonly perCaller: boolean;
  /** @param asked see `askedBy`. */
  connect(
    speaks: Speaks,
    caller: Caller | undefined,
    asked: string,
    take: TakeBytes,
    outcome: ConnectOutcome,
  ): Connecting;
  onConnectFailed(): void;
}

/** The pools of one host, one for each protocol that is spoken to it. */
export class HostPools {
  readonly #options: HostPoolsOptions;
  /** By what is spoken, and by caller and asked name where connections can not be shared. */
  readonly #pools = new Map<string, HostPool>();

  constructor(options: HostPoolsOptions) {
    this.#options = options;
  }

  get connections(): number {
    let count = 0;
    for (const pool of this.#pools.values()) count += pool.connections;
    return count;
  }

  /** Requests that wait for a connection. */
  get waiting(): number {
    let count = 0;
    for (const pool of this.#pools.values()) count += pool.waiting;
    return count;
  }

  /** @param upgrade whether the request wants to become a tunnel. @param asked see `askedBy`. */
  choose(callerSpeaksHttp2: boolean, upgrade: boolean, caller: Caller | undefined, asked: string): HostPool {
    const { perCaller, secure } = this.#options;
    const speaks = this.#speaks(callerSpeaksHttp2, upgrade);
    const own = perCaller ? caller : undefined;
    const name = secure ? asked : '';
    const who = own === undefined ? '' : ` ${own.remoteAddress} ${own.remotePort}`;
    const key = name === '' && who === '' ? speaks : `${speaks}${who} ${name}`;
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      pool = this.#makePool(speaks, own, name, () => {
        // There may be any number of these.
        if (key !== speaks) this.#pools.delete(key);
      });
      this.#pools.set(key, pool);
    }
    return pool;
  }

  /** No new exchanges; those in progress finish. */
  retire(): void {
    for (const pool of this.#pools.values()) pool.retire();
  }

  close(): void {
    for (const pool of this.#pools.values()) pool.close();
  }

  #speaks(callerSpeaksHttp2: boolean, upgrade: boolean): Speaks {
    const { protocol, carries } = this.#options.http();
    const http1 = carries && this.#options.secure && !upgrade ? 'carried' : 'http1';
    // Not every HTTP/2 server knows extended CONNECT (RFC 8441); where HTTP/1.1 can be agreed on, an upgrade is sure to work.
    if (upgrade && (this.#options.secure || protocol !== 'http2')) return 'http1';
    switch (protocol) {
      case 'http1':
        return http1;
      case 'http2':
        return protocol;
      case 'downstream':
        return callerSpeaksHttp2 ? 'http2' : http1;
      case 'auto':
        return this.#options.secure ? 'either' : 'http1';
    }
  }

  #makePool(speaks: Speaks, caller: Caller | undefined, asked: string, onEmpty: () => void): HostPool {
    const options = this.#options;
    return new HostPool({
      circuit: options.circuit,
      expectedStreams: speaks === 'http1' ? 1 : options.http().http2.maxConcurrentStreams,
      connect: (take, outcome) => options.connect(speaks, caller, asked, take, outcome),
      open: (socket, peer, keeper) => this.#open(speaks, socket, peer, keeper),
      onConnectFailed: () => options.onConnectFailed(),
      onEmpty,
    });
  }

  #open(speaks: Speaks, socket: Socket, peer: string, keeper: ConnectionKeeper): UpstreamConnection {
    const made = this.#make(speaks, socket, peer, keeper);
    const protocol = made instanceof H2ClientConnection && !made.carried ? 'HTTP/2' : 'HTTP/1.1';
    made.link = new UpstreamLink(this.#options.ids.next(), protocol, socket);
    return made;
  }

  #make(speaks: Speaks, socket: Socket, peer: string, keeper: ConnectionKeeper): UpstreamConnection {
    const { timers, http, http2, http2Counters } = this.#options;
    const settings = http();
    settings.keepalive?.(socket);
    const limits = {
      maxRequests: settings.maxRequestsPerConnection,
      idleTimeoutMs: settings.idleTimeoutMs,
      maxDurationMs: settings.maxConnectionDurationMs,
    };
    const agreed = alpnOf(socket);
    const carried = speaks === 'carried' && agreed === CARRIED_ALPN;
    if (speaks === 'http2' || carried || (speaks === 'either' && agreed === 'h2')) {
      const { maxConcurrentStreams, floods } = settings.http2;
      const keepalive = settings.http2.keepalive ?? (peer === '' ? undefined : MESH_KEEPALIVE);
      const http2Limits = {
        ...DEFAULT_H2_LIMITS,
        ...floods,
        head: settings.headLimits,
        maxConcurrentStreams,
        keepalive,
      };
      return new H2ClientConnection(
        socket,
        peer,
        keeper,
        http2,
        {
          ...limits,
          limits: peer === '' ? http2Limits : forMesh(http2Limits),
          secure: this.#options.secure,
          carried,
        },
        http2Counters(),
      );
    }
    return new H1ClientConnection(socket, peer, keeper, timers, {
      ...limits,
      limits: settings.headLimits,
      trailers: settings.trailers,
      slabs: this.#options.slabs,
      buffers: http2.buffers,
    });
  }
}

const alpnOf = (socket: Socket): string =>
  socket instanceof TLSSocket && typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '';
