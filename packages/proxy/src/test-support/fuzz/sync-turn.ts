import { type Flushable, WriteTurn } from '../../http2/frames/write-turn.ts';
import { RecordingStats } from '../harness.ts';

/** A turn of the event loop that ends when it is told to. */
export class SyncTurn extends WriteTurn {
  #written: Flushable[] = [];

  override schedule(one: Flushable): void {
    this.#written.push(one);
  }

  end(): void {
    while (this.#written.length > 0) {
      const written = this.#written;
      this.#written = [];
      for (const one of written) one.flush();
    }
  }
}

/** Which of up to 31 counters were counted since the last look. */
export class CountedBits extends RecordingStats {
  #bits = 0;

  override add(slot: number): void {
    this.#bits |= 1 << slot;
  }

  take(): number {
    const bits = this.#bits;
    this.#bits = 0;
    return bits;
  }
}
