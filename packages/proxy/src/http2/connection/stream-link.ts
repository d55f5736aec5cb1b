import type { BufferPool } from '../../sockets/buffer-pool.ts';
import type { FrameOutput } from '../frames/frame-output.ts';
import type { ErrorCode } from '../frames/constants.ts';
import type { Field } from '../hpack/field.ts';
import type { FieldTable } from '../hpack/field-table.ts';
import type { H2Counter } from './counters.ts';
import type { FloodGuard } from './flood-guard.ts';
import type { H2Limits } from './options.ts';
import type { PeerSettings } from './peer-settings.ts';
import type { WaitingStream, WaitingStreams } from './waiting-streams.ts';

/** What a stream asks of its connection. */
export interface StreamLink<Stream extends WaitingStream> {
  readonly known: FieldTable;
  readonly buffers: BufferPool;
  readonly limits: H2Limits;
  readonly carried: boolean;
  readonly output: FrameOutput;
  readonly guard: FloodGuard;
  readonly peer: PeerSettings;
  readonly waiting: WaitingStreams<Stream>;
  sendWindow: number;
  heldBytes: number;
  /** Bytes of the header block that came last, and of the one that was written last, with their frames. */
  readonly blockReceived: number;
  readonly blockSent: number;
  touch(stream: Stream): void;
  credit(length: number): void;
  writeFields(streamId: number, fields: readonly Field[], endStream: boolean): void;
  close(stream: Stream, cutByUs: boolean): void;
  reset(stream: Stream, code: ErrorCode): void;
  failStream(stream: Stream, code: ErrorCode, detail: string, counter: H2Counter): void;
}
