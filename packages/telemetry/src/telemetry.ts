import type { TelemetryQueries } from '@weft/contracts';
import { type Clock, createLifecycle, type Logger } from '@weft/kit';
import { ADAPTERS } from './adapters/index.ts';
import { bagOfLog, type FactsOf } from './dispatch/reported-requests.ts';
import { createDispatcher } from './dispatch/dispatcher.ts';
import { createSelfMetrics } from './dispatch/self-metrics.ts';
import { DEFAULT_OPTIONS, type TelemetryOptions } from './options.ts';
import { createQueries } from './queries/telemetry-queries.ts';
import { exposition } from './queries/totals.ts';
import type { MixerConfigSource } from './rules/config-source.ts';
import { buildPlan } from './rules/plan.ts';
import type { RuleProblem } from './rules/problem.ts';
import type { GrpcService } from './server/grpc.ts';
import { createMixerService } from './server/mixer-service.ts';
import { createTelemetryService } from './server/telemetry-service.ts';
import { openTelemetryStore } from './store/telemetry-store.ts';

export interface TelemetryDeps {
  /** Mixer's rules; a ConfigStore is one. Without it none apply. */
  readonly config?: MixerConfigSource;
  /** The service account that a workload runs as, by the registry: reports in its name need a certificate of it. */
  readonly accountOf?: (namespace: string, workload: string) => string | undefined;
  /** What the registry knows of a workload, for attributes of rules that a log entry does not carry. */
  readonly factsOf?: FactsOf;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Folder of the store, its own; undefined keeps everything in memory. */
  readonly dir: string | undefined;
  /** Where the `stdio` adapter writes, whole lines. */
  readonly output: { readonly stdout: (line: string) => void; readonly stderr: (line: string) => void };
  readonly options?: Partial<TelemetryOptions>;
}

export interface Telemetry {
  /** To add to a gRPC server: `for (const s of services) server.addService(s.definition, s.implementation)`. */
  readonly services: readonly GrpcService[];
  readonly queries: TelemetryQueries;
  /** What is wrong with Mixer's configuration now. */
  problems(): readonly RuleProblem[];
  /** Prometheus exposition of this server and of the `prometheus` handlers. */
  metricsPage(): Promise<string>;
  /** Prometheus exposition of what all proxies counted, summed. Not to be fetched beside the proxies' own pages. */
  meshMetricsPage(): string;
  /** Ends the proxies' streams, so that the gRPC server can stop without waiting for them. They come back elsewhere, or later. */
  drain(): void;
  /** Writes the store's state and closes it. Call it after the gRPC server has stopped. */
  close(): Promise<void>;
}

export function createTelemetry(deps: TelemetryDeps): Telemetry {
  const { clock, logger, config, factsOf = () => undefined } = deps;
  const options = { ...DEFAULT_OPTIONS, ...deps.options };
  const lifecycle = createLifecycle((name, message) => logger.error({ name, reason: message }, 'a part did not close'));

  const store = openTelemetryStore({ dir: deps.dir, clock, logger, options: options.store });
  lifecycle.defer('store', () => store.close());

  const metrics = createSelfMetrics({
    weft_telemetry_series: { help: 'Series in the store.', read: () => store.metrics.table.size },
    weft_telemetry_refused_series: {
      help: 'Series turned away at the limit.',
      read: () => store.metrics.table.refused,
    },
    weft_telemetry_stored_spans: { help: 'Spans held.', read: () => store.spans.size },
    weft_telemetry_stored_log_entries: { help: 'Access log entries held.', read: () => store.logs.size },
    weft_telemetry_write_failures: { help: 'Writes that the disk refused.', read: () => store.writeFailures() },
    weft_telemetry_connected_proxies: { help: 'Open report streams.', read: () => service.connected().size },
  });
  const service = createTelemetryService({
    store,
    logger,
    reportIntervalMs: options.reportIntervalMs,
    rules: { requireIdentity: options.requireIdentity, accountOf: deps.accountOf },
    counters: metrics,
    onLogs(origin, entries) {
      if (dispatcher.plan().rules.length > 0)
        dispatcher.report(entries.map((entry) => bagOfLog(entry, origin, factsOf)));
    },
  });
  const dispatcher = createDispatcher({
    clock,
    logger,
    adapterDeps: { clock, logger, output: deps.output },
    metrics,
    rootNamespaces: options.rootNamespaces,
    adapterTimeoutMs: options.adapterTimeoutMs,
  });
  lifecycle.defer('dispatcher', () => dispatcher.close());

  const rebuild = (source: MixerConfigSource): void => {
    const plan = buildPlan(source, { adapters: ADAPTERS });
    for (const problem of plan.problems)
      logger.warn({ ...problem }, 'an object of the Mixer configuration has a problem');
    dispatcher.setPlan(plan);
  };
  if (config) {
    rebuild(config);
    const stop = config.subscribe(() => rebuild(config));
    lifecycle.defer('configuration', stop);
  }

  return {
    services: [service, createMixerService({ dispatcher, logger })],
    queries: createQueries({ store, clock, connected: () => service.connected() }),
    problems: () => dispatcher.plan().problems,
    async metricsPage() {
      const pages = [await metrics.registry.metrics(), await dispatcher.metrics()];
      return `${pages
        .filter((page) => page !== '')
        .join('\n')
        .trimEnd()}\n`;
    },
    meshMetricsPage: () => exposition(store.metrics.table),
    drain: () => service.drain(),
    close: () => lifecycle.close(),
  };
}
