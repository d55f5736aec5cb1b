import type { ReasonCode } from '@weft/contracts';
import type { LogWants } from '../../../access-log/captures.ts';
import type { HeadView } from '../../../head/head-view.ts';
import type { DownstreamStream } from '../../../http/streams.ts';
import type { FlagName } from '../../../response-flags.ts';
import type { FilterStream } from '../http-filter.ts';
import type { ManagerContext } from '../manager-context.ts';

/** What the router uses of the request that it carries. */
export interface RoutedStream extends FilterStream {
  readonly manager: ManagerContext;
  readonly downstream: DownstreamStream;
  readonly head: HeadView | undefined;
  readonly upgradeType: string;
  readonly wants: LogWants | undefined;
  /** Facts for the hash of the request. */
  readonly remoteIp: string;
  readonly query: string;
  /** The whole request is here. */
  requestOver: boolean;
  /** Statistics slot of the chosen host. */
  statsSlot: number;
  sendUpstreamHead(status: number, head: HeadView, last: boolean): void;
  sendData(buffer: Buffer, start: number, end: number, last: boolean): void;
  sendTrailers(trailers: HeadView): void;
  /** The response can not be finished. */
  cut(reason: ReasonCode): void;
  flag(name: FlagName): void;
  /** Something moved. */
  touch(): void;
}
