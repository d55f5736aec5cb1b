/** Live streams: one picture a tick, made once and shared by everybody who looks at the same thing. */
import type { ServerResponse } from 'node:http';
import type { Clock, Timer } from '@weft/kit';

export interface EventStreams {
  /** @returns false when too many are open. Takes over the response. */
  open(response: ServerResponse, view: string): boolean;
  /** Sends to every stream at once: `config` or `proxies` changed. */
  tell(event: string, data: unknown): void;
  readonly size: number;
  close(): void;
}

export interface EventStreamsDeps {
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly stallMs: number;
  readonly maxStreams: number;
  /** The picture for one view, as JSON. */
  readonly draw: (view: string) => string;
  /** What a new stream gets first, besides the picture. */
  readonly greeting: () => readonly (readonly [event: string, data: unknown])[];
  /** A picture could not be drawn; the streams stay. */
  readonly onError: (error: unknown) => void;
}

interface Stream {
  readonly response: ServerResponse;
  readonly view: string;
  /** When it last took everything. */
  freeAtMs: number;
  /** News that did not fit, the newest of each kind. */
  readonly waiting: Map<string, string>;
}

const RETRY_MS = 2_000;
const frame = (event: string, json: string): string => `event: ${event}\ndata: ${json}\n\n`;

export function createEventStreams(deps: EventStreamsDeps): EventStreams {
  const { clock, intervalMs, stallMs, maxStreams, draw, greeting, onError } = deps;
  const streams = new Set<Stream>();
  let timer: Timer | undefined;

  /** A reader that lags keeps only the newest of each kind instead of filling our memory; one that stalls is let go. */
  const send = (stream: Stream, event: string, text: string): void => {
    stream.waiting.set(event, text);
    if (!stream.response.writableNeedDrain) {
      stream.freeAtMs = clock.now();
      for (const news of stream.waiting.values()) stream.response.write(news);
      stream.waiting.clear();
    } else if (clock.now() - stream.freeAtMs > stallMs) stream.response.destroy();
  };
  const tick = (): void => {
    const drawn = new Map<string, string>();
    try {
      for (const stream of streams) {
        const text = drawn.get(stream.view) ?? frame('graph', draw(stream.view));
        drawn.set(stream.view, text);
        send(stream, 'graph', text);
      }
    } catch (error) {
      onError(error);
    }
    arm();
  };
  const arm = (): void => {
    timer?.cancel();
    timer = streams.size === 0 ? undefined : clock.after(intervalMs, tick);
  };

  return {
    open(response, view) {
      if (streams.size >= maxStreams) return false;
      const first = frame('graph', draw(view));
      const stream: Stream = { response, view, freeAtMs: clock.now(), waiting: new Map() };
      streams.add(stream);
      response.once('close', () => {
        streams.delete(stream);
        if (streams.size === 0) arm();
      });
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' });
      response.write(`retry: ${RETRY_MS}\n\n${first}`);
      for (const [event, data] of greeting()) response.write(frame(event, JSON.stringify(data)));
      if (!timer) arm();
      return true;
    },
    tell(event, data) {
      if (streams.size === 0) return;
      const text = frame(event, JSON.stringify(data));
      for (const stream of streams) send(stream, event, text);
    },
    get size() {
      return streams.size;
    },
    close() {
      timer?.cancel();
      for (const { response } of streams) response.end();
      streams.clear();
    },
  };
}
