import type { DeltaRequest, IncomingDelta } from '../protocol/messages.ts';

/** One attempt at a delta ADS stream. */
export interface AdsStream {
  send(request: DeltaRequest): void;
  /** Ends it; no event follows. */
  close(): void;
}

export interface AdsStreamEvents {
  onResponse(response: IncomingDelta): void;
  /** Once, when the stream could not be opened, broke or was ended by the server. */
  onEnd(reason: string): void;
}

/** Opens streams; addresses, roots and certificate are read anew for each. */
export interface AdsTransport {
  open(events: AdsStreamEvents): AdsStream;
}
