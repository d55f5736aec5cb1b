/** What is asked of a stream that waits. */
export interface WaitingStream {
  readonly closed: boolean;
  readonly congested: boolean;
  waitsWritable: boolean;
  /** A window grew: sends what waited. @returns true when nothing waits any more. */
  release(): boolean;
  onWritable(): void;
}

/** Streams of one connection that have more to send than they may now. */
export class WaitingStreams<Stream extends WaitingStream> {
  /** With bytes that wait for a window. */
  readonly forWindow = new Set<Stream>();
  /** Told to wait until the output has room. */
  readonly forOutput = new Set<Stream>();

  /** The window that all share grew: they are served in turn, first come first. */
  onWindow(link: { readonly sendWindow: number }): void {
    for (const stream of Array.from(this.forWindow)) {
      if (link.sendWindow <= 0) return;
      this.forWindow.delete(stream);
      if (stream.release()) this.#tell(stream);
      else this.forWindow.add(stream);
    }
  }

  onStreamWindow(stream: Stream): void {
    if (!stream.release()) return;
    this.forWindow.delete(stream);
    this.#tell(stream);
  }

  onOutputWritable(): void {
    for (const stream of Array.from(this.forOutput)) this.#tell(stream);
  }

  delete(stream: Stream): void {
    this.forWindow.delete(stream);
    this.forOutput.delete(stream);
  }

  #tell(stream: Stream): void {
    if (!stream.waitsWritable || stream.closed || stream.congested) return;
    stream.waitsWritable = false;
    this.forOutput.delete(stream);
    stream.onWritable();
  }
}
