import type { Socket } from 'node:net';
import type { ByteBuilder } from './byte-builder.ts';
import type { Flushable, WriteTurn } from './write-turn.ts';

// A turn that makes more than this does not wait for its end.
const WRITE_NOW_BYTES = 60 * 1024;
// Over TLS a write is done in a later turn, so that one had better be large. With one more frame it is no more than 256 KiB.
const FULL_BYTES = 190 * 1024;

export interface OutputOwner {
  /** Bytes were above the high mark and are below the low one. */
  onOutputWritable(): void;
}

/** What one connection sends: all frames of a turn in one buffer and one write, one write at a time. */
export class FrameOutput implements Flushable {
  readonly #socket: Socket;
  readonly #turn: WriteTurn;
  readonly #owner: OutputOwner;
  #builder: ByteBuilder | undefined;
  /** Full ones that wait for the write in progress. */
  readonly #full: ByteBuilder[] = [];
  #fullBytes = 0;
  #writing: ByteBuilder | undefined;
  #writingBytes = 0;
  #scheduled = false;
  #congested = false;
  #writes = 0;
  #written = 0;
  /** The write that is waited for; 0 = none. */
  #awaited = 0;
  #endsAfter = false;
  /** Frames that answer the peer or manage the connection, since everything was last with the kernel. */
  controlFrames = 0;

  /** Those with heads or data, since then. */
  frames = 0;
  readonly #highBytes: number;

  /** @param highBytes above this nothing more should be fetched for the peer, until half of it has left. */
  constructor(socket: Socket, turn: WriteTurn, owner: OutputOwner, highBytes: number) {
    this.#highBytes = highBytes;
    this.#socket = socket;
    this.#turn = turn;
    this.#owner = owner;
  }

  /** Where frames are put; what is put there will be sent. */
  get builder(): ByteBuilder {
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#turn.schedule(this);
    }
    this.#builder ??= this.#turn.takeBuilder();
    return this.#builder;
  }

  /** Bytes that are not with the kernel yet. */
  get queued(): number {
    return this.#writingBytes + this.#fullBytes + (this.#builder?.length ?? 0);
  }

  get congested(): boolean {
    if (this.queued < this.#highBytes) return false;
    this.#congested = true;
    return true;
  }

  /** Called after data was put, between frames: much of it goes at once, or as soon as the write before it is done. */
  relieve(): void {
    if (this.#awaited === 0 && this.#fullBytes + (this.#builder?.length ?? 0) >= WRITE_NOW_BYTES) this.#write();
    else this.setFullAside();
  }

  /** Between frames of much data: `builder` is another one when this one is full. */
  setFullAside(): void {
    const builder = this.#builder;
    if (builder === undefined || builder.length < FULL_BYTES) return;
    this.#full.push(builder);
    this.#fullBytes += builder.length;
    this.#builder = undefined;
  }

  flush(): void {
    this.#scheduled = false;
    if (this.#awaited === 0) this.#write();
  }

  /** Sends what there is, and then the end. */
  end(): void {
    this.#endsAfter = true;
    if (this.#awaited === 0) this.#write();
  }

  /** Drops everything; the socket is gone. */
  discard(): void {
    for (const builder of this.#full.splice(0)) this.#turn.giveBack(builder);
    this.#fullBytes = 0;
    if (this.#builder !== undefined) this.#turn.giveBack(this.#builder);
    this.#builder = undefined;
  }

  #write(): void {
    const full = this.#full.shift();
    const builder = full ?? this.#builder;
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) {
      this.discard();
      return;
    }
    if (builder === undefined || builder.length === 0) {
      if (this.#endsAfter) socket.end();
      return;
    }
    if (full === undefined) this.#builder = undefined;
    else this.#fullBytes -= full.length;
    this.#writes += 1;
    this.#writing = builder;
    this.#writingBytes = builder.length;
    this.#awaited = this.#writes;
    socket.write(builder.buffer.subarray(0, builder.length), this.#onWritten);
    // A plain socket whose kernel buffer has room is done by now, and its buffer free again.
    if (socket.writableLength === 0) this.#done();
  }

  readonly #onWritten = (): void => {
    this.#written += 1;
    if (this.#awaited !== 0 && this.#written >= this.#awaited) this.#done();
  };

  #done(): void {
    this.#awaited = 0;
    this.#writingBytes = 0;
    if (this.#writing !== undefined) this.#turn.giveBack(this.#writing);
    this.#writing = undefined;
    if (this.#full.length > 0) {
      this.#write();
    } else if ((this.#builder?.length ?? 0) === 0) {
      this.controlFrames = 0;
      this.frames = 0;
      if (this.#endsAfter && !this.#socket.destroyed) this.#socket.end();
    } else if (!this.#scheduled) {
      this.#write();
    }
    if (this.#congested && this.queued * 2 <= this.#highBytes) {
      this.#congested = false;
      this.#owner.onOutputWritable();
    }
  }
}
