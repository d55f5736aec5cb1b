/** What the mesh is and does: graph, services, workloads, proxies, certificates, the page about all of it. */
import {
  CertificatesSchema,
  GraphSchema,
  HEALTH_STATUSES,
  MeshSchema,
  ProxyPageSchema,
  ProxySchema,
  ServiceDetailsSchema,
  ServicePageSchema,
  WorkloadDetailsSchema,
  WorkloadPageSchema,
} from '@weft/contracts/console-schemas';
import type { HealthStatus } from '@weft/contracts/console-views';
import type { Clock } from '@weft/kit';
import { Type } from 'typebox';
import { notFound } from '../errors.ts';
import { compareHealth } from '../health/health.ts';
import { matchesText, Name, ObjectParams, pageOf, paging, route, type Route, search } from '../http/route.ts';
import type { ConsoleApiOptions } from '../options.ts';
import type { ConsoleSources } from '../ports.ts';
import { buildCertificate } from '../views/certificates.ts';
import { buildGraph } from '../views/graph.ts';
import { buildMesh } from '../views/mesh.ts';
import { type Picture, takePicture } from '../views/picture.ts';
import { buildProxy } from '../views/proxies.ts';
import { buildServiceDetails, buildServices } from '../views/services.ts';
import { buildWorkloadDetails, buildWorkloads } from '../views/workloads.ts';

const TREND_STEPS = 30;
const MIN_WINDOW_MS = 5_000;

/** Length of the time range that ends now. */
export const windowQuery = (options: ConsoleApiOptions) => ({
  windowMs: Type.Optional(Type.Integer({ minimum: MIN_WINDOW_MS, maximum: options.maxWindowMs })),
});

export interface ReadDeps {
  readonly sources: ConsoleSources;
  readonly clock: Clock;
  readonly options: ConsoleApiOptions;
}

export function readRoutes({ sources, clock, options }: ReadDeps): readonly Route[] {
  const window = windowQuery(options);
  const picture = (query: { readonly windowMs?: number }): Picture =>
    takePicture(sources, clock.now(), query.windowMs ?? options.defaultWindowMs);
  const trends = (of: 'service' | 'workload', { nowMs, windowMs }: Picture) =>
    sources.telemetry.trends({
      of,
      fromMs: nowMs - options.reportLagMs - windowMs,
      toMs: nowMs - options.reportLagMs,
      steps: TREND_STEPS,
    });
  const limits = { maxNodes: options.maxGraphNodes, maxEdges: options.maxGraphEdges };
  const certificates = () => sources.certificates.workloads().map((found) => buildCertificate(found, clock.now()));

  const listQuery = Type.Object(
    {
      ...window,
      ...paging,
      ...search,
      health: Type.Optional(Type.Unsafe<HealthStatus>({ type: 'string', enum: [...HEALTH_STATUSES] })),
      sort: Type.Optional(
        Type.Unsafe<'name' | 'health' | 'traffic'>({ type: 'string', enum: ['name', 'health', 'traffic'] }),
      ),
    },
    { additionalProperties: false },
  );

  return [
    route('GET', '/mesh', {
      summary: 'The mesh: numbers, listeners, what needs attention.',
      query: Type.Object(window, { additionalProperties: false }),
      response: MeshSchema,
      handle: ({ query }) => {
        const taken = picture(query);
        return buildMesh({
          info: sources.mesh.info(),
          picture: taken,
          graph: buildGraph(taken, limits),
          services: buildServices(taken, new Map()),
          workloads: buildWorkloads(taken, new Map()),
          proxies: taken.proxies.map((proxy) => buildProxy(proxy, taken.nowMs)),
          config: sources.config.list(),
          certificates: certificates(),
        });
      },
    }),
    route('GET', '/graph', {
      summary: 'Who calls whom, how often, how well, and under mutual TLS or not.',
      query: Type.Object({ ...window, namespace: Type.Optional(Name) }, { additionalProperties: false }),
      response: GraphSchema,
      handle: ({ query }) => buildGraph(picture(query), limits, query.namespace === undefined ? [] : [query.namespace]),
    }),
    route('GET', '/services', {
      summary: 'Services with health and inbound traffic.',
      query: listQuery,
      response: ServicePageSchema,
      handle: ({ query }) => {
        const taken = picture(query);
        const rows = buildServices(taken, trends('service', taken));
        return pageOf(
          select(rows, query, ({ traffic }) => traffic.requestsPerSecond),
          query,
        );
      },
    }),
    route('GET', '/services/:ns/:name', {
      summary: 'One service: endpoints, callers, codes, configuration.',
      params: ObjectParams,
      query: Type.Object(window, { additionalProperties: false }),
      response: ServiceDetailsSchema,
      handle: ({ params, query }) => {
        const taken = picture(query);
        const service = taken.services.find(({ namespace, name }) => namespace === params.ns && name === params.name);
        if (!service) throw notFound(`service ${params.name} in ${params.ns}`, '`weft status` lists what runs.');
        const config = sources.config.forService(params.ns, params.name);
        return buildServiceDetails(service, taken, trends('service', taken), config);
      },
    }),
    route('GET', '/workloads', {
      summary: 'Workloads with health, traffic and the state of their proxy.',
      query: listQuery,
      response: WorkloadPageSchema,
      handle: ({ query }) => {
        const taken = picture(query);
        const rows = buildWorkloads(taken, trends('workload', taken));
        return pageOf(
          select(rows, query, ({ inbound }) => inbound.requestsPerSecond),
          query,
        );
      },
    }),
    route('GET', '/workloads/:ns/:name', {
      summary: 'One workload: peers, proxy, certificate, configuration.',
      params: ObjectParams,
      query: Type.Object(window, { additionalProperties: false }),
      response: WorkloadDetailsSchema,
      handle: ({ params, query }) => {
        const taken = picture(query);
        const { ns, name } = params;
        const workload = taken.workloads.find((item) => item.namespace === ns && item.name === name);
        if (!workload) throw notFound(`workload ${name} in ${ns}`, '`weft status` lists what runs.');
        return buildWorkloadDetails(workload, taken, trends('workload', taken), {
          config: sources.config.forWorkload(ns, name),
          certificate: certificates().find((item) => item.namespace === ns && item.workload === name),
        });
      },
    }),
    route('GET', '/proxies', {
      summary: 'What each proxy was sent, confirmed and rejected.',
      query: Type.Object({ ...paging, ...search }, { additionalProperties: false }),
      response: ProxyPageSchema,
      handle: ({ query }) => {
        const rows = sources.proxies.list().map((proxy) => buildProxy(proxy, clock.now()));
        return pageOf(
          select(rows, query, () => 0),
          query,
        );
      },
    }),
    route('GET', '/proxies/:id', {
      summary: 'One proxy, by node id.',
      params: Type.Object({ id: Type.String({ pattern: '^[A-Za-z0-9._~:-]{1,512}$' }) }),
      response: ProxySchema,
      handle: ({ params }) => {
        const proxy = sources.proxies.list().find(({ id }) => id === params.id);
        if (!proxy) throw notFound(`proxy ${params.id}`, '`weft status` lists all proxies.');
        return buildProxy(proxy, clock.now());
      },
    }),
    route('GET', '/certificates', {
      summary: 'Roots, intermediates and the certificate of each workload.',
      response: CertificatesSchema,
      handle: () => {
        const nowMs = clock.now();
        return {
          trustDomain: sources.mesh.info().trustDomain,
          roots: sources.certificates.roots().map((found) => buildCertificate(found, nowMs)),
          intermediates: sources.certificates.intermediates().map((found) => buildCertificate(found, nowMs)),
          workloads: certificates().toSorted((a, b) => a.notAfter - b.notAfter),
        };
      },
    }),
  ];
}

interface Row {
  readonly namespace: string;
  readonly name: string;
  readonly health: { readonly status: HealthStatus };
}

interface Selection {
  readonly text?: string;
  readonly namespace?: string;
  readonly health?: HealthStatus;
  readonly sort?: 'name' | 'health' | 'traffic';
}

function select<T extends Row>(rows: readonly T[], query: Selection, traffic: (row: T) => number): readonly T[] {
  const { text, namespace, health, sort = 'name' } = query;
  const byName = (a: T, b: T): number =>
    a.name.localeCompare(b.name, 'en') || a.namespace.localeCompare(b.namespace, 'en');
  const order: Readonly<Record<'name' | 'health' | 'traffic', (a: T, b: T) => number>> = {
    name: byName,
    health: (a, b) => compareHealth(a.health.status, b.health.status) || byName(a, b),
    traffic: (a, b) => traffic(b) - traffic(a) || byName(a, b),
  };
  return rows
    .filter((row) => matchesText(row.name, text))
    .filter((row) => namespace === undefined || row.namespace === namespace)
    .filter((row) => health === undefined || row.health.status === health)
    .toSorted(order[sort]);
}
