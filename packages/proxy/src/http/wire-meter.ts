/**
 * Bytes of one exchange on one of its connections: heads and framing counted, and HTTP/2's heads as they are compressed.
 * Made only where a log asks for it.
 */
export class WireMeter {
  received = 0;
  sent = 0;
  /** Heads and trailers, among the above. */
  headReceived = 0;
  headSent = 0;

  receivedHead(length: number): void {
    this.headReceived += length;
    this.received += length;
  }

  sentHead(length: number): void {
    this.headSent += length;
    this.sent += length;
  }
}
