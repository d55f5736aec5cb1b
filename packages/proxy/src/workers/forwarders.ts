// What a worker can not write by itself goes to the main thread in batches: lines of access logs, which several threads
// would tear apart, and entries for telemetry, which go over one stream.
import type { Clock, Timer } from '@weft/kit';
import type { LineWriter } from '../access-log/line-writer.ts';
import { createLogIntake } from '../reporting/log-intake.ts';
import { type LogEntryInit, type SpanInit, spanInitOf } from '../reporting/log-entry.ts';
import type { RequestRecord } from '../request-record.ts';
import type { SpanData } from '../tracing/tracer.ts';
import type { FromWorker } from './messages.ts';

type Send = (message: FromWorker) => void;

const SEND_AFTER_MS = 100;
const SEND_AT_CHARS = 16 * 1024;
/** Of one worker, that the main thread has not taken yet. */
const MAX_UNTAKEN_CHARS = 1024 * 1024;
const SEND_AT_ENTRIES = 256;

/** @param logged characters and lines that the main thread has not taken yet; it takes off what it has. */
export function forwardLines(
  path: string,
  { send, clock, logged }: { readonly send: Send; readonly clock: Clock; readonly logged: Int32Array },
): LineWriter {
  let waiting: string[] = [];
  let size = 0;
  let dropped = 0;
  let timer: Timer | undefined;
  const flush = (): void => {
    timer?.cancel();
    timer = undefined;
    if (waiting.length === 0) return;
    send({ type: 'lines', path, text: waiting.join(''), lines: waiting.length });
    waiting = [];
    size = 0;
  };
  return {
    write(line) {
      if (Atomics.load(logged, 0) + line.length > MAX_UNTAKEN_CHARS) {
        dropped += 1;
        return;
      }
      Atomics.add(logged, 0, line.length);
      Atomics.add(logged, 1, 1);
      waiting.push(line);
      size += line.length;
      if (size >= SEND_AT_CHARS) flush();
      else timer ??= clock.after(SEND_AFTER_MS, flush);
    },
    reopen: () => true,
    async close() {
      flush();
      await Promise.resolve();
    },
    get dropped() {
      return dropped;
    },
  };
}

export interface ReportForwarder {
  span(span: SpanData): void;
  log(record: RequestRecord): void;
  flush(): void;
}

/** @param ordinaryPerSecond how many entries of requests that went well. @param droppedLines of access logs, so far. */
export function forwardReports(deps: {
  readonly send: Send;
  readonly clock: Clock;
  readonly ordinaryPerSecond: number;
  readonly droppedLines: () => number;
}): ReportForwarder {
  const intake = createLogIntake(deps.ordinaryPerSecond);
  let spans: SpanInit[] = [];
  let logs: LogEntryInit[] = [];
  let toldHeld = 0;
  let toldDropped = 0;
  let timer: Timer | undefined;
  const flush = (): void => {
    timer?.cancel();
    timer = undefined;
    const [held, droppedLines] = [intake.held() - toldHeld, deps.droppedLines() - toldDropped];
    if (spans.length + logs.length + held + droppedLines === 0) return;
    toldHeld += held;
    toldDropped += droppedLines;
    deps.send({ type: 'entries', entries: { spans, logs, held, droppedLines } });
    spans = [];
    logs = [];
  };
  const soon = (): void => {
    if (spans.length + logs.length >= SEND_AT_ENTRIES) flush();
    else timer ??= deps.clock.after(SEND_AFTER_MS, flush);
  };
  return {
    span(span) {
      spans.push(spanInitOf(span));
      soon();
    },
    log(record) {
      const entry = intake.take(record);
      if (entry !== undefined) logs.push(entry);
      soon();
    },
    flush,
  };
}
