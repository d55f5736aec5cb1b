/**
 * The embedded store: reports in, memory to query, files to survive. Metrics: a snapshot and the journal of reports since.
 * Spans and log entries: the segments of their log, as many as the bound allows. Every report is with the operating system
 * before it is acknowledged, so a killed process loses none.
 */
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Hello, type ReportRequest, ReportRequestSchema } from '@weft/contracts/full/weft/telemetry/v1/telemetry';
import { type Clock, errorMessage, type Logger, type Timer, writeFileAtomic } from '@weft/kit';
import { storedLog, storedSpan } from './convert.ts';
import { LogStore } from './log-store.ts';
import { MetricsStore, ReportRejectedError } from './metrics-store.ts';
import { listSegments, openRecordLog, readSegment, type RecordLog } from './record-log.ts';
import { type Session, sessionKey } from './sessions.ts';
import { encodeSnapshot, readSnapshot } from './snapshot.ts';
import { SpanStore } from './span-store.ts';

export interface StoreOptions {
  readonly maxSeries: number;
  readonly maxSpans: number;
  readonly maxLogs: number;
  /** On disk, for spans and log entries together. */
  readonly maxBatchBytes: number;
  /** Time between two snapshots of the metrics. */
  readonly snapshotIntervalMs: number;
  /** A journal longer than this brings the next snapshot forward. */
  readonly maxJournalBytes: number;
}

export interface StoreDeps {
  /** Folder of its own, made if missing; undefined keeps everything in memory only. */
  readonly dir: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly options: StoreOptions;
}

export interface TelemetryStore {
  readonly metrics: MetricsStore;
  readonly spans: SpanStore;
  readonly logs: LogStore;
  session(hello: Hello): Session;
  /** @throws {ReportRejectedError} and takes no value. */
  accept(session: Session, report: ReportRequest): void;
  /** Reports whose bytes the disk refused: they are in memory only. */
  writeFailures(): number;
  diskBytes(): number;
  onChange(listener: () => void): () => void;
  /** Writes the metrics' state now. */
  snapshot(): Promise<void>;
  close(): Promise<void>;
}

const SNAPSHOT_FILE = 'metrics.snapshot';
const BATCH_SEGMENTS = 6;
const JOURNAL_SEGMENT_BYTES = 8 * 1024 * 1024;
const TIME_BYTES = 8;

export function openTelemetryStore(deps: StoreDeps): TelemetryStore {
  const { dir, clock, logger, options } = deps;
  const metrics = new MetricsStore(options.maxSeries);
  const spans = new SpanStore(options.maxSpans);
  const logs = new LogStore(options.maxLogs);

  const takeBatch = (session: Session, report: ReportRequest): void => {
    if (report.sequence <= session.batchSequence) return;
    session.batchSequence = report.sequence;
    for (const span of report.spans) {
      const stored = storedSpan(span, session);
      if (stored) spans.add(stored);
    }
    for (const entry of report.logs) logs.add(storedLog(entry, session));
  };

  const files = dir === undefined ? undefined : openFiles(dir, deps);
  if (files) {
    for (const { report, timeMs } of files.journalRecords(metrics)) {
      replay(logger, () => metrics.apply(metrics.session(report.hello, timeMs), report, timeMs));
    }
    const upTo = new Map<string, number>();
    for (const { report, timeMs } of files.batchRecords()) {
      // The metrics know the session already, so its own mark can not tell what of the files was read.
      const key = sessionKey(report.hello.proxy, report.hello.startId);
      replay(logger, () => {
        const session = metrics.session(report.hello, timeMs);
        session.batchSequence = upTo.get(key) ?? 0;
        takeBatch(session, report);
        upTo.set(key, session.batchSequence);
      });
    }
    files.start();
  }

  const listeners = new Set<() => void>();
  let notified = false;
  const changed = (): void => {
    if (notified || listeners.size === 0) return;
    notified = true;
    setImmediate(() => {
      notified = false;
      for (const listener of listeners) listener();
    });
  };

  let timer: Timer | undefined;
  let dirty = false;
  let saving: Promise<void> = Promise.resolve();
  let waiting = false;
  let closed = false;
  const snapshot = (): Promise<void> => {
    // One that has not begun yet will hold what is here now too.
    if (waiting) return saving;
    waiting = true;
    saving = saving.then(() => {
      waiting = false;
      dirty = false;
      return files?.save(metrics);
    });
    return saving;
  };
  const schedule = (): void => {
    if (!files || closed) return;
    timer = clock.after(options.snapshotIntervalMs, () => {
      if (dirty) void snapshot();
      schedule();
    });
  };
  schedule();

  return {
    metrics,
    spans,
    logs,
    session: (hello) => metrics.session(hello, clock.now()),
    accept(session, report) {
      const now = clock.now();
      const batch = (report.spans.length > 0 || report.logs.length > 0) && report.sequence > session.batchSequence;
      metrics.apply(session, report, now);
      if (batch) {
        files?.appendBatch(session, report, now);
        takeBatch(session, report);
      }
      files?.appendMetrics(session, report, now);
      dirty = true;
      if (files && files.journalBytes() > options.maxJournalBytes) void snapshot();
      changed();
    },
    writeFailures: () => files?.failures() ?? 0,
    diskBytes: () => files?.bytes() ?? 0,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    snapshot,
    async close() {
      if (closed) return;
      closed = true;
      timer?.cancel();
      await snapshot();
      files?.close();
    },
  };
}

function replay(logger: Logger, run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof ReportRejectedError)) throw error;
    logger.warn({ reason: error.message }, 'a stored report could not be read again');
  }
}

interface StoredReport {
  readonly timeMs: number;
  readonly report: ReportRequest & { readonly hello: Hello };
}

interface StoreFiles {
  journalRecords(metrics: MetricsStore): Iterable<StoredReport>;
  batchRecords(): Iterable<StoredReport>;
  /** Opens the files for writing, after they were read. */
  start(): void;
  appendMetrics(session: Session, report: ReportRequest, nowMs: number): void;
  appendBatch(session: Session, report: ReportRequest, nowMs: number): void;
  save(metrics: MetricsStore): Promise<void>;
  journalBytes(): number;
  bytes(): number;
  failures(): number;
  close(): void;
}

function openFiles(dir: string, { clock, logger, options }: StoreDeps): StoreFiles {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  // What a process left that was killed while it wrote a snapshot.
  for (const file of readdirSync(dir)) if (/^\.[0-9a-f]+\.tmp$/.test(file)) rmSync(join(dir, file), { force: true });
  const snapshotPath = join(dir, SNAPSHOT_FILE);
  let journal: RecordLog | undefined;
  let batches: RecordLog | undefined;
  let failures = 0;
  let failing = false;
  let snapshotBytes = 0;

  const attempt = (what: string, run: () => void): void => {
    try {
      run();
      failing = false;
    } catch (error) {
      failures += 1;
      if (!failing)
        logger.error({ dir, reason: errorMessage(error) }, `${what} could not be written; it is in memory only`);
      failing = true;
    }
  };
  const append = (log: RecordLog | undefined, report: ReportRequest, nowMs: number): void => {
    const body = toBinary(ReportRequestSchema, report);
    const record = Buffer.allocUnsafe(TIME_BYTES + body.length);
    record.writeDoubleLE(nowMs, 0);
    record.set(body, TIME_BYTES);
    log?.append(record);
  };

  function* read(name: string, from: number): Iterable<StoredReport> {
    for (const segment of listSegments(dir, name)) {
      if (segment < from) continue;
      const content = readSegment(dir, name, segment);
      if (content.damaged) {
        logger.warn(
          { dir, file: name, segment, records: content.records.length },
          'the end of a file can not be read, as after a crash; what comes before it is used',
        );
      }
      for (const record of content.records) {
        const view = Buffer.from(record.buffer, record.byteOffset, record.byteLength);
        const report = fromBinary(ReportRequestSchema, record.subarray(TIME_BYTES));
        const { hello } = report;
        if (hello) yield { timeMs: view.readDoubleLE(0), report: { ...report, hello } };
      }
    }
  }

  return {
    *journalRecords(metrics) {
      const snapshot = readSnapshot(snapshotPath);
      if (typeof snapshot === 'string') {
        setAside(dir, clock.now(), snapshot, logger);
        return;
      }
      if (snapshot) metrics.restore(snapshot.metrics);
      yield* read('journal', snapshot?.journal ?? 0);
    },
    batchRecords: () => read('batches', 0),
    start() {
      journal = openRecordLog({ dir, name: 'journal', segmentBytes: JOURNAL_SEGMENT_BYTES, maxBytes: undefined });
      const segmentBytes = Math.max(64 * 1024, Math.floor(options.maxBatchBytes / BATCH_SEGMENTS));
      batches = openRecordLog({ dir, name: 'batches', segmentBytes, maxBytes: options.maxBatchBytes - segmentBytes });
    },
    appendMetrics(session, report, nowMs) {
      const { sequence, timeMs, metrics, series, counters, histograms, droppedSpans, droppedLogs } = report;
      const stored = { sequence, timeMs, metrics, series, histograms, droppedSpans, droppedLogs };
      const counted = counters ? { ...stored, counters } : stored;
      const message = create(ReportRequestSchema, { ...counted, hello: helloOf(session) });
      attempt('a report', () => append(journal, message, nowMs));
    },
    appendBatch(session, report, nowMs) {
      const { sequence, spans, logs } = report;
      const message = create(ReportRequestSchema, { hello: helloOf(session), sequence, spans, logs });
      attempt('a batch of spans and log entries', () => append(batches, message, nowMs));
    },
    async save(metrics) {
      if (!journal) return;
      let data: Uint8Array;
      let next: number;
      try {
        // No report can come between these two: what is in the snapshot is in no later segment.
        next = journal.rotate();
        data = encodeSnapshot({ journal: next, metrics: metrics.save() });
        await writeFileAtomic(snapshotPath, data);
        journal.dropBefore(next);
        snapshotBytes = data.length;
      } catch (error) {
        failures += 1;
        logger.error(
          { dir, reason: errorMessage(error) },
          'the snapshot of the metrics could not be written; the journal is kept',
        );
      }
    },
    journalBytes: () => journal?.bytes() ?? 0,
    bytes: () => (journal?.bytes() ?? 0) + (batches?.bytes() ?? 0) + snapshotBytes,
    failures: () => failures,
    close() {
      journal?.close();
      batches?.close();
    },
  };
}

function helloOf({
  proxy,
  startId,
  startMs,
  workload,
  namespace,
  service,
  version,
}: Session): Omit<Hello, '$typeName' | '$unknown'> {
  return { proxy, startId, startMs, workload, namespace, service, version };
}

/** Renames what can not be used, so that it can be looked at, and begins empty. */
function setAside(dir: string, nowMs: number, reason: string, logger: Logger): void {
  const suffix = `.unusable-${nowMs}`;
  const files = [
    SNAPSHOT_FILE,
    ...listSegments(dir, 'journal').map((n) => `journal-${String(n).padStart(8, '0')}.log`),
  ];
  for (const file of files) renameSync(join(dir, file), join(dir, file + suffix));
  logger.error(
    { dir, reason, files: files.map((file) => file + suffix) },
    'the stored metrics can not be read; they were set aside and counting begins anew',
  );
}
