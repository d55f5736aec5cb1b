/** Takes the streams of proxies' reports. */
import { create } from '@bufbuild/protobuf';
import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { Logger } from '@weft/kit';
import {
  type LogEntry,
  type ReportRequest,
  type ReportResponse,
  ReportResponseSchema,
  TelemetryService,
} from '@weft/contracts/full/weft/telemetry/v1/telemetry';
import { ReportRejectedError } from '../store/metrics-store.ts';
import type { Origin } from '../store/convert.ts';
import { type Session, sessionKey } from '../store/sessions.ts';
import type { TelemetryStore } from '../store/telemetry-store.ts';
import { bindClaims } from './claimed-peers.ts';
import { type GrpcService, serviceDefinition } from './grpc.ts';
import { type Peer, peerOf, type PeerRules, refusalOf } from './peer.ts';

export interface TelemetryServiceDeps {
  readonly store: TelemetryStore;
  readonly logger: Logger;
  /** What proxies are told to keep between two messages. */
  readonly reportIntervalMs: number;
  /** Who may report what. */
  readonly rules: PeerRules;
  readonly counters: ReportCounters;
  /** Each entry once, after it was kept. */
  readonly onLogs?: (origin: Origin, entries: readonly LogEntry[]) => void;
}

export interface ReportCounters {
  report(spans: number, logs: number): void;
  rejected(): void;
}

export interface TelemetryServer extends GrpcService {
  /** Session keys with an open stream. */
  connected(): ReadonlySet<string>;
  /** Ends the streams, which otherwise last as long as the proxies. */
  drain(): void;
}

type ReportStream = ServerDuplexStream<ReportRequest, ReportResponse>;

export function createTelemetryService(deps: TelemetryServiceDeps): TelemetryServer {
  const open = new Map<ReportStream, string>();
  return {
    definition: serviceDefinition(TelemetryService),
    implementation: {
      report: (stream: ReportStream) => serveStream(stream, deps, open),
    },
    connected: () => new Set(open.values()),
    drain() {
      for (const stream of open.keys()) stream.end();
      open.clear();
    },
  };
}

class StreamRefusal extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

function serveStream(stream: ReportStream, deps: TelemetryServiceDeps, open: Map<ReportStream, string>): void {
  const { store, logger, counters } = deps;
  const peer = peerOf(stream.getAuthContext().sslPeerCertificate?.raw);
  let session: Session | undefined;
  let failed = false;

  const take = (request: ReportRequest): void => {
    if (!session) {
      session = greet(request, peer, deps);
      open.set(stream, sessionKey(session.proxy, session.startId));
      logger.debug({ proxy: session.proxy, start: session.startId }, 'a proxy reports');
      if (request.sequence === 0) return;
    } else if (request.hello) {
      throw new StreamRefusal(status.INVALID_ARGUMENT, 'hello: only the first message of a stream has it');
    }
    if (request.sequence === 0) throw new StreamRefusal(status.INVALID_ARGUMENT, 'sequence: must not be 0');
    if (deps.rules.accountOf) bindClaims(session, request, deps.rules.accountOf);
    const fresh = request.logs.length > 0 && request.sequence > session.batchSequence;
    store.accept(session, request);
    if (fresh) deps.onLogs?.(session, request.logs);
    counters.report(request.spans.length, request.logs.length);
  };

  stream.on('data', (request: ReportRequest) => {
    if (failed) return;
    try {
      take(request);
      const ackedSequence = Math.max(session?.metricsSequence ?? 0, session?.batchSequence ?? 0);
      stream.write(create(ReportResponseSchema, { intervalMs: deps.reportIntervalMs, ackedSequence }));
    } catch (error) {
      failed = true;
      open.delete(stream);
      counters.rejected();
      stream.emit('error', failureOf(error, logger, session));
    }
  });
  stream.on('error', () => open.delete(stream));
  stream.on('cancelled', () => open.delete(stream));
  stream.on('close', () => open.delete(stream));
  stream.on('end', () => {
    open.delete(stream);
    if (!failed) stream.end();
  });
}

function greet(request: ReportRequest, peer: Peer, deps: TelemetryServiceDeps): Session {
  const { hello } = request;
  if (!hello) throw new StreamRefusal(status.INVALID_ARGUMENT, 'hello: the first message of a stream must have it');
  const refusal = refusalOf(hello, peer, deps.rules);
  if (refusal !== undefined) throw new StreamRefusal(status.PERMISSION_DENIED, refusal);
  return deps.store.session(hello);
}

function failureOf(error: unknown, logger: Logger, session: Session | undefined): { code: number; details: string } {
  if (error instanceof StreamRefusal || error instanceof ReportRejectedError) {
    const code = error instanceof StreamRefusal ? error.code : status.INVALID_ARGUMENT;
    logger.warn({ proxy: session?.proxy ?? 'unknown', reason: error.message }, 'a report was refused');
    return { code, details: error.message };
  }
  logger.error({ proxy: session?.proxy ?? 'unknown', err: error }, 'a report could not be taken');
  return { code: status.INTERNAL, details: 'the report could not be taken' };
}
