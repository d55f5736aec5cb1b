/** The mesh on one page: numbers, and what needs attention. Pure. */
import type {
  Attention,
  CertificateView,
  ConfigSummary,
  GraphView,
  Health,
  MeshView,
  ProxyView,
  ServiceSummary,
  WorkloadSummary,
} from '@weft/contracts/console-views';
import { compareHealth, healthOf } from '../health/health.ts';
import { mtlsOf, tallyOf, trafficOf } from '../health/traffic.ts';
import type { MeshInfo } from '../ports.ts';
import type { Picture } from './picture.ts';

export interface MeshParts {
  readonly info: MeshInfo;
  readonly picture: Picture;
  readonly graph: GraphView;
  readonly services: readonly ServiceSummary[];
  readonly workloads: readonly WorkloadSummary[];
  readonly proxies: readonly ProxyView[];
  readonly config: readonly ConfigSummary[];
  readonly certificates: readonly CertificateView[];
}

const MAX_ATTENTION = 10;

export function buildMesh(parts: MeshParts): MeshView {
  const { info, picture, services, workloads, proxies, config } = parts;
  const attention = findAttention(parts);
  return {
    ...info,
    generatedAt: picture.nowMs,
    windowMs: picture.windowMs,
    health: overall(attention, workloads.length),
    ...meshTraffic(parts),
    counts: {
      services: services.length,
      workloads: workloads.length,
      proxies: proxies.length,
      proxiesSynced: proxies.filter(({ health }) => health.status === 'healthy').length,
      config: config.length,
      configErrors: config.filter(({ validity }) => validity === 'error').length,
      configWarnings: config.filter(({ validity }) => validity === 'warning').length,
    },
    attention: attention.slice(0, MAX_ATTENTION),
  };
}

/** Calls of nobody known (from outside the mesh, through the gateway) are not expected to be mutual. */
function meshTraffic({ picture }: MeshParts) {
  const all = tallyOf(picture.calls);
  const inside = tallyOf(picture.calls.filter(({ source }) => source.workload !== undefined));
  const { mtls, mtlsPercent } = mtlsOf(inside);
  return {
    traffic: trafficOf(all, picture.measuredMs),
    ...(mtls === 'unknown' ? {} : { mtlsPercent }),
  };
}

function overall(attention: readonly Attention[], workloads: number): Health {
  const [worst] = attention;
  if (workloads === 0 && !worst)
    return healthOf(
      [],
      undefined,
      'No workload has joined yet: start one with `weft run`, or all of Bookinfo with `weft demo`.',
    );
  if (!worst) return healthOf([], 'Nothing needs attention.', '');
  const others = attention.length - 1;
  const message = others === 0 ? worst.message : `${worst.message} And ${others} more.`;
  return healthOf([{ code: 'attention', severity: worst.severity, message }], undefined, message);
}

function findAttention(parts: MeshParts): readonly Attention[] {
  const troubled = ({ status }: Health): boolean =>
    status === 'failure' || status === 'degraded' || status === 'not-ready';
  const items: Attention[] = [];
  for (const { namespace, name, health } of parts.services)
    if (troubled(health))
      items.push({
        severity: health.status,
        message: `${name}: ${health.why}`,
        object: { kind: 'service', namespace, name },
      });
  for (const { namespace, name, health } of parts.workloads)
    if (troubled(health))
      items.push({
        severity: health.status,
        message: `${name}: ${health.why}`,
        object: { kind: 'workload', namespace, name },
      });
  for (const { subject, namespace = '', workload, state, lifeUsedPercent } of parts.certificates)
    if (state !== 'valid')
      items.push({
        severity: state === 'expired' ? 'failure' : 'degraded',
        message:
          state === 'expired'
            ? `The certificate of ${workload ?? subject} has expired.`
            : `The certificate of ${workload ?? subject} has used ${lifeUsedPercent.toFixed(0)} % of its life and was not renewed.`,
        object: { kind: 'certificate', namespace, name: workload ?? subject },
      });
  for (const { group, kind, namespace, name, validity, findings } of parts.config)
    if (validity === 'error')
      items.push({
        severity: 'degraded',
        message: `${kind} ${name} has ${findings} ${findings === 1 ? 'finding' : 'findings'}, at least one an error.`,
        object: { kind: 'config', namespace, name, group, configKind: kind },
      });
  items.push(...plaintextEdges(parts.graph));
  return items.toSorted((a, b) => compareHealth(a.severity, b.severity));
}

function plaintextEdges(graph: GraphView): readonly Attention[] {
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  return graph.edges.flatMap(({ source, target, mtls, mtlsPercent }): Attention[] => {
    const [from, to] = [nodes.get(source), nodes.get(target)];
    const inMesh = from?.kind !== 'unknown' && to?.kind === 'workload';
    if (!from || !to || !inMesh || (mtls !== 'plaintext' && mtls !== 'mixed')) return [];
    const share = mtls === 'plaintext' ? 'none' : `only ${mtlsPercent} %`;
    return [
      {
        severity: 'degraded',
        message: `${from.name} calls ${to.name} in plaintext: ${share} of the requests came under mutual TLS.`,
        object: { kind: 'edge', namespace: to.namespace, name: `${source}>${target}` },
      },
    ];
  });
}
