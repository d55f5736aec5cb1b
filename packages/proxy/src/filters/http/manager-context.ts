import type { Random } from '@weft/kit';
import type { HeadView } from '../../head/head-view.ts';
import type { ConnectionIds } from '../../http/connection-ids.ts';
import type { DownstreamConnection } from '../../http/streams.ts';
import type { AccessLogger, PeerExchange, StatsSink, Tracer } from '../../ports.ts';
import type { RequestRecord } from '../../request-record.ts';
import type { OverloadState } from '../../overload/overload.ts';
import type { BufferPool } from '../../sockets/buffer-pool.ts';
import type { TimerQueue } from '../../timers/timer-queue.ts';
import type { Cluster } from '../../upstream/cluster.ts';
import type { HcmRoutes, HcmSettings } from './hcm-settings.ts';
import type { RequestHash } from './router/request-hash.ts';
import type { Mirrors } from './mirror/mirrors.ts';

/** What one request uses of its connection manager. */
export interface ManagerContext {
  readonly settings: HcmSettings;
  readonly routes: HcmRoutes;
  readonly timers: TimerQueue;
  readonly random: Random;
  readonly clusters: ReadonlyMap<string, Cluster>;
  readonly tracer: Tracer | undefined;
  readonly peers: PeerExchange | undefined;
  readonly stats: StatsSink;
  readonly accessLog: AccessLogger | undefined;
  readonly overload: OverloadState;
  /** For bytes that wait. */
  readonly buffers: BufferPool;
  /** Adds one to a counter of this connection manager; for what is rare. */
  count(name: string): void;
  countPausedReading(): void;
  readonly requestHash: RequestHash;
  readonly mirrors: Mirrors;
  readonly ids: ConnectionIds;
  /** Headers that every answer gets. */
  finishResponseHead(head: HeadView, record: RequestRecord): void;
  /** @param statsSlot -1 when no host was reached. */
  exchangeOver(record: RequestRecord, statsSlot: number): void;
  remoteOf(connection: DownstreamConnection): string;
  localOf(connection: DownstreamConnection): string;
}
