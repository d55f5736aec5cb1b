import { FRAME_HEADER_BYTES } from '../frames/constants.ts';
import type { FrameOutput } from '../frames/frame-output.ts';
import { finishHeaders } from '../frames/frame-writer.ts';
import { HpackEncoder } from '../hpack/encoder.ts';
import type { Field } from '../hpack/field.ts';
import type { H2Counter } from './counters.ts';
import type { FloodGuard } from './flood-guard.ts';
import type { H2Limits } from './options.ts';
import type { PeerSettings } from './peer-settings.ts';

/** What header blocks are written with and to. */
export interface HeaderWriterOwner {
  readonly output: FrameOutput;
  readonly peer: PeerSettings;
  readonly guard: FloodGuard;
  readonly limits: H2Limits;
  readonly stopped: boolean;
  flood(counter: H2Counter): void;
}

/** Writes header blocks, one at a time: `begin`, the fields, `end`. */
export class HeaderWriter {
  readonly #owner: HeaderWriterOwner;
  readonly #encoder = new HpackEncoder();
  #frameStart = 0;
  /** Bytes of the last block, with its frames. */
  written = 0;

  constructor(owner: HeaderWriterOwner) {
    this.#owner = owner;
  }

  /** @param bytes of the dynamic table, as the peer's settings have it. */
  allowTable(bytes: number): void {
    this.#encoder.allowTable(bytes);
  }

  begin(): void {
    const { builder } = this.#owner.output;
    const at = builder.reserve(FRAME_HEADER_BYTES);
    builder.length = at + FRAME_HEADER_BYTES;
    this.#frameStart = at;
    this.#encoder.begin(builder);
  }

  /** Bound to this, for lists of fields that call somebody for each. */
  readonly put = (field: Field): void => {
    this.#encoder.write(this.#owner.output.builder, field);
  };

  end(streamId: number, endStream: boolean): void {
    const owner = this.#owner;
    const { output } = owner;
    const { builder } = output;
    finishHeaders(builder, this.#frameStart, streamId, endStream, owner.peer.maxFrame);
    this.written = builder.length - this.#frameStart;
    owner.guard.worked();
    output.frames += 1;
    if (output.frames > owner.limits.maxQueuedFrames && !owner.stopped) owner.flood('outbound_flood');
  }

  write(streamId: number, fields: readonly Field[], endStream: boolean): void {
    this.begin();
    for (const field of fields) this.put(field);
    this.end(streamId, endStream);
  }
}
