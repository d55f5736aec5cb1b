/** Measurements of the near past: charts, traces, access logs. */
import { LogPageSchema, MetricsSchema, TracePageSchema, TraceSchema } from '@weft/contracts/console-schemas';
import { Type } from 'typebox';
import { ApiError, notFound } from '../errors.ts';
import { MAX_PAGE, Name, paging, route, type Route } from '../http/route.ts';
import { buildLogEntry, buildMetrics, buildTrace, buildTraceSummary } from '../views/telemetry.ts';
import { type ReadDeps, windowQuery } from './reads.ts';

const MIN_STEP_MS = 1_000;
const CHART_POINTS = 120;
const DEFAULT_LIMIT = 100;
const STATUS_CLASS = /^([1-5])xx$/;

export function telemetryRoutes({ sources, clock, options }: ReadDeps): readonly Route[] {
  const window = windowQuery(options);
  const sinceOf = (query: { readonly windowMs?: number }): number =>
    clock.now() - (query.windowMs ?? options.maxWindowMs);

  return [
    route('GET', '/metrics', {
      summary: 'Charts of one service, one workload, or the whole mesh.',
      query: Type.Object(
        {
          ...window,
          service: Type.Optional(Name),
          workload: Type.Optional(Name),
          namespace: Type.Optional(Name),
          direction: Type.Optional(
            Type.Unsafe<'inbound' | 'outbound'>({ type: 'string', enum: ['inbound', 'outbound'] }),
          ),
          stepMs: Type.Optional(Type.Integer({ minimum: MIN_STEP_MS, maximum: options.maxWindowMs })),
        },
        { additionalProperties: false },
      ),
      response: MetricsSchema,
      handle: ({ query }) => {
        const { namespace, service, workload, direction } = query;
        const windowMs = query.windowMs ?? options.defaultWindowMs;
        if ((service !== undefined || workload !== undefined) && namespace === undefined)
          throw new ApiError(400, 'bad-request', 'A service or workload needs its namespace.', {
            field: 'namespace',
            hint: 'Add namespace=default.',
          });
        const subject = {
          ...(namespace !== undefined && service !== undefined ? { service: { namespace, name: service } } : {}),
          ...(namespace !== undefined && workload !== undefined ? { workload: { namespace, name: workload } } : {}),
          ...(direction === undefined ? {} : { direction }),
        };
        const stepMs = query.stepMs ?? Math.max(MIN_STEP_MS, Math.ceil(windowMs / CHART_POINTS));
        const toMs = clock.now() - options.reportLagMs;
        const asked = { subject, fromMs: toMs - windowMs, toMs, stepMs };
        const { telemetry } = sources;
        return buildMetrics(
          telemetry.series({ ...asked, metric: 'requests' })[0],
          telemetry.series({ ...asked, metric: 'errors' })[0],
          telemetry.series({ ...asked, metric: 'latency' }),
          asked,
        );
      },
    }),
    route('GET', '/traces', {
      summary: 'Traces, newest first.',
      query: Type.Object(
        {
          ...window,
          ...paging,
          service: Type.Optional(Name),
          workload: Type.Optional(Name),
          namespace: Type.Optional(Name),
          minDurationMs: Type.Optional(Type.Number({ minimum: 0, maximum: 86_400_000 })),
          errors: Type.Optional(Type.Boolean({ description: 'Only traces with a failed span.' })),
        },
        { additionalProperties: false },
      ),
      response: TracePageSchema,
      handle: ({ query }) => {
        const { service, workload, namespace, minDurationMs, errors, offset = 0, limit = DEFAULT_LIMIT } = query;
        const found = sources.telemetry.traces({
          sinceMs: sinceOf(query),
          limit,
          offset,
          ...(service === undefined ? {} : { service }),
          ...(workload === undefined ? {} : { workload }),
          ...(namespace === undefined ? {} : { namespace }),
          ...(minDurationMs === undefined ? {} : { minDurationMs }),
          ...(errors === true ? { error: true } : {}),
        });
        return { items: found.traces.map(buildTraceSummary), total: found.total, offset, limit };
      },
    }),
    route('GET', '/traces/:id', {
      summary: 'One trace with all its spans.',
      params: Type.Object({ id: Type.String({ pattern: '^[0-9a-fA-F]{16,32}$' }) }),
      response: TraceSchema,
      handle: ({ params }) => {
        const trace = sources.telemetry.trace(params.id.toLowerCase());
        if (!trace) throw notFound(`trace ${params.id}`, 'Traces are kept for a limited time.');
        return buildTrace(trace);
      },
    }),
    route('GET', '/logs', {
      summary: 'Access logs of the proxies, newest first.',
      query: Type.Object(
        {
          ...window,
          namespace: Type.Optional(Name),
          workload: Type.Optional(Name),
          direction: Type.Optional(
            Type.Unsafe<'inbound' | 'outbound'>({ type: 'string', enum: ['inbound', 'outbound'] }),
          ),
          status: Type.Optional(Type.String({ pattern: '^([1-5][0-9]{2}|[1-5]xx)$', description: '`503` or `5xx`.' })),
          traceId: Type.Optional(Type.String({ pattern: '^[0-9a-fA-F]{16,32}$' })),
          text: Type.Optional(Type.String({ maxLength: 200, description: 'Part of the path.' })),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_PAGE })),
        },
        { additionalProperties: false },
      ),
      response: LogPageSchema,
      handle: ({ query }) => {
        const { namespace, workload, direction, status, traceId, text, limit = DEFAULT_LIMIT } = query;
        const found = sources.telemetry.logs({
          sinceMs: sinceOf(query),
          limit,
          ...(namespace === undefined ? {} : { namespace }),
          ...(workload === undefined ? {} : { workload }),
          ...(direction === undefined ? {} : { direction }),
          ...(traceId === undefined ? {} : { traceId: traceId.toLowerCase() }),
          ...(text === undefined ? {} : { text }),
          ...statusRange(status),
        });
        return { items: found.entries.map(buildLogEntry), truncated: found.more };
      },
    }),
  ];
}

/** `5xx` and `503` as an inclusive range. */
function statusRange(status: string | undefined): { readonly minStatus?: number; readonly maxStatus?: number } {
  if (status === undefined) return {};
  const group = STATUS_CLASS.exec(status)?.[1];
  if (group === undefined) return { minStatus: Number(status), maxStatus: Number(status) };
  return { minStatus: Number(group) * 100, maxStatus: Number(group) * 100 + 99 };
}
