import { create } from '@bufbuild/protobuf';
import {
  type ReportRequest,
  ReportRequestSchema,
  type ReportResponse,
} from '@weft/contracts/full/weft/telemetry/v1/telemetry';
import { createBackoff, createBoundedQueue, type Clock, type Logger, type Random, type Timer } from '@weft/kit';
import type { RequestRecord } from '../request-record.ts';
import type { Stats } from '../stats/stats.ts';
import type { WorkloadLabels } from '../stats/workload-labels.ts';
import type { SpanData } from '../tracing/tracer.ts';
import { type LogEntryInit, type SpanInit, spanInitOf } from './log-entry.ts';
import { createLogIntake, ORDINARY_LOGS_PER_SECOND } from './log-intake.ts';
import { createSeriesCursor, type SeriesCursor } from './series-report.ts';

/** One stream to the receiver. */
export interface ReportStream {
  send(request: ReportRequest): void;
  /** Ends it; no event follows. */
  close(): void;
}

export interface ReportStreamEvents {
  onResponse(response: ReportResponse): void;
  /** Once. */
  onEnd(reason: string): void;
}

export interface ReporterDeps {
  /** @throws when there is nothing to connect with yet. */
  readonly open: (events: ReportStreamEvents) => ReportStream;
  readonly stats: Stats;
  readonly nodeId: string;
  readonly self: WorkloadLabels;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Tells telemetry what the proxy counted, and about single requests. Losing it never slows a request. */
export interface Reporter {
  start(): void;
  span(span: SpanData): void;
  log(record: RequestRecord): void;
  /** What workers took in. @param held entries that they held back. */
  take(spans: readonly SpanInit[], logs: readonly LogEntryInit[], held: number): void;
  counters(): { readonly droppedSpans: number; readonly droppedLogs: number; readonly connected: boolean };
  /** Sends what is left and waits a moment for the answer. */
  close(): Promise<void>;
}

const BACKOFF = { baseMs: 500, maxMs: 15_000 };
const FIRST_INTERVAL_MS = 1_000;
const MIN_INTERVAL_MS = 100;
const WAITING_SPANS = 4_096;
const WAITING_LOGS = 4_096;
const PER_MESSAGE = 1_024;

const CLOSE_WITHIN_MS = 500;
/** A message that nobody answers: the stream is given up. */
const ANSWER_WITHIN_MS = 20_000;

/** Spans and entries of one message, kept until the receiver has stored them. */
interface Unstored {
  readonly sequence: number;
  readonly spans: readonly SpanInit[];
  readonly logs: readonly LogEntryInit[];
}

export function createReporter(deps: ReporterDeps): Reporter {
  const { clock, logger, random, stats } = deps;
  const backoff = createBackoff(BACKOFF, random);
  const startId = Buffer.from(random.bytes(16)).toString('hex');
  const startMs = clock.now();
  const spans = createBoundedQueue<SpanInit>(WAITING_SPANS);
  const logs = createBoundedQueue<LogEntryInit>(WAITING_LOGS);
  const intake = createLogIntake(ORDINARY_LOGS_PER_SECOND);
  let heldByWorkers = 0;
  let stream: ReportStream | undefined;
  let cursor: SeriesCursor | undefined;
  let introduced = false;
  let unstored: Unstored | undefined;
  let sequence = 0;
  let intervalMs = FIRST_INTERVAL_MS;
  let sentAt = 0;
  let timer: Timer | undefined;
  let closed = false;
  let lastReason = '';
  let drained: (() => void) | undefined;

  const schedule = (delayMs: number, run: () => void): void => {
    timer?.cancel();
    timer = clock.after(delayMs, run);
  };

  const connect = (): void => {
    if (closed) return;
    let over = false;
    introduced = false;
    cursor = createSeriesCursor(stats);
    const failed = (reason: string): void => {
      if (over) return;
      over = true;
      stream = undefined;
      // A control plane that is away is told by discovery already; only a new reason is worth a line.
      if (reason === lastReason) logger.debug({ reason }, 'report stream ended');
      else logger.warn({ reason }, 'report stream ended');
      lastReason = reason;
      drained?.();
      if (!closed) schedule(backoff.next(), connect);
    };
    try {
      stream = deps.open({ onResponse: (response) => over || take(response), onEnd: failed });
    } catch (error) {
      return failed(error instanceof Error ? error.message : String(error));
    }
    tick();
  };

  function take(response: ReportResponse): void {
    backoff.reset();
    if (response.intervalMs > 0) intervalMs = Math.max(MIN_INTERVAL_MS, response.intervalMs);
    if (unstored === undefined || response.ackedSequence < unstored.sequence) return;
    unstored = undefined;
    drained?.();
    tick();
  }

  /** Sends when it is time, something is new, and the former message is stored; else looks again later. */
  function tick(): void {
    if (stream === undefined || closed) return;
    const waitMs = sentAt + intervalMs - clock.now();
    if (introduced && waitMs > 0) return schedule(waitMs, tick);
    if (introduced && unstored !== undefined) {
      if (clock.now() - sentAt > ANSWER_WITHIN_MS) {
        stream.close();
        stream = undefined;
        return schedule(backoff.next(), connect);
      }
      return schedule(intervalMs, tick);
    }
    send();
    schedule(intervalMs, tick);
  }

  function send(): void {
    if (stream === undefined || cursor === undefined) return;
    const again = unstored;
    const report = cursor.next();
    // The receiver may have stored a repeated message and then looks at nothing in it, so its values come once more.
    if (again !== undefined) cursor.repeatValues();
    const message: Unstored = again ?? {
      sequence: sequence + 1,
      spans: spans.take(PER_MESSAGE),
      logs: logs.take(PER_MESSAGE),
    };
    const isNew = report.counterSeries.length > 0 || message.spans.length > 0 || message.logs.length > 0;
    if (introduced && !isNew) return;
    if (again === undefined) sequence = message.sequence;
    unstored = message;
    stream.send(
      create(ReportRequestSchema, {
        ...(introduced ? {} : { hello: hello() }),
        sequence: message.sequence,
        timeMs: clock.now(),
        metrics: report.metrics,
        series: report.series,
        counters: { series: report.counterSeries, values: report.counterValues },
        histograms: report.histograms,
        spans: [...message.spans],
        logs: [...message.logs],
        droppedSpans: spans.dropped,
        droppedLogs: logs.dropped + intake.held() + heldByWorkers,
      }),
    );
    introduced = true;
    sentAt = clock.now();
  }

  const hello = () => ({
    proxy: deps.nodeId,
    startId,
    startMs,
    workload: deps.self.workload,
    namespace: deps.self.namespace,
    service: deps.self.canonicalService,
    version: deps.self.canonicalRevision,
  });

  return {
    start: connect,
    span: (span) => spans.push(spanInitOf(span)),
    log(record) {
      const entry = intake.take(record);
      if (entry !== undefined) logs.push(entry);
    },
    take(moreSpans, moreLogs, held) {
      for (const span of moreSpans) spans.push(span);
      for (const entry of moreLogs) logs.push(entry);
      heldByWorkers += held;
    },
    counters: () => ({
      droppedSpans: spans.dropped,
      droppedLogs: logs.dropped + intake.held() + heldByWorkers,
      connected: stream !== undefined && introduced,
    }),
    async close() {
      if (stream !== undefined && introduced) {
        if (unstored !== undefined) await answered();
        send();
        if (unstored !== undefined) await answered();
      }
      closed = true;
      timer?.cancel();
      stream?.close();
    },
  };

  function answered(): Promise<void> {
    return new Promise((resolve) => {
      const limit = clock.after(CLOSE_WITHIN_MS, resolve);
      drained = () => {
        limit.cancel();
        resolve();
      };
    });
  }
}
