/** What the server says of itself. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

export interface SelfMetrics {
  readonly registry: Registry;
  dispatched(handler: string, adapter: string, meshFunction: string, seconds: number, failed: boolean): void;
  config(handlers: number, rules: number, problems: number): void;
  expressionFailed(): void;
  report(spans: number, logs: number): void;
  rejected(): void;
}

/** @param gauges values that are read when the page is. */
export function createSelfMetrics(
  gauges: Readonly<Record<string, { readonly help: string; readonly read: () => number }>>,
): SelfMetrics {
  const registry = new Registry();
  const registers = [registry];
  const labelNames = ['handler', 'adapter', 'meshFunction', 'error'];
  const dispatches = new Counter({
    name: 'mixer_runtime_dispatches_total',
    help: 'Calls of adapters.',
    labelNames,
    registers,
  });
  const durations = new Histogram({
    name: 'mixer_runtime_dispatch_duration_seconds',
    help: 'Time that adapters took.',
    labelNames,
    buckets: [0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
    registers,
  });
  const handlers = new Gauge({ name: 'mixer_config_handler_configs', help: 'Handlers in force.', registers });
  const rules = new Gauge({ name: 'mixer_config_rule_configs', help: 'Rules in force.', registers });
  const problems = new Gauge({
    name: 'mixer_config_error_count',
    help: 'Problems of the configuration in force.',
    registers,
  });
  const failures = new Counter({
    name: 'mixer_expression_failures_total',
    help: 'Expressions without a value for a request.',
    registers,
  });
  const reports = new Counter({ name: 'weft_telemetry_reports_total', help: 'Reports of proxies stored.', registers });
  const spans = new Counter({ name: 'weft_telemetry_spans_total', help: 'Spans received.', registers });
  const logs = new Counter({
    name: 'weft_telemetry_log_entries_total',
    help: 'Access log entries received.',
    registers,
  });
  const rejected = new Counter({
    name: 'weft_telemetry_rejected_reports_total',
    help: 'Streams ended for a bad report.',
    registers,
  });
  for (const [name, { help, read }] of Object.entries(gauges)) {
    const gauge = new Gauge({
      name,
      help,
      collect() {
        this.set(read());
      },
      registers: [],
    });
    registry.registerMetric(gauge);
  }
  return {
    registry,
    dispatched(handler, adapter, meshFunction, seconds, failed) {
      const labels = { handler, adapter, meshFunction, error: String(failed) };
      dispatches.inc(labels);
      durations.observe(labels, seconds);
    },
    config(handlerCount, ruleCount, problemCount) {
      handlers.set(handlerCount);
      rules.set(ruleCount);
      problems.set(problemCount);
    },
    expressionFailed: () => failures.inc(),
    report(spanCount, logCount) {
      reports.inc();
      spans.inc(spanCount);
      logs.inc(logCount);
    },
    rejected: () => rejected.inc(),
  };
}
