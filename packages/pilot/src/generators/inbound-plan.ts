/** Which ports a sidecar serves, and where each leads: from the registry, or from the `ingress` of the workload's Sidecar resource. */
import type { RegisteredWorkload, WorkloadPort } from '@weft/contracts';
import type { Address } from '@weft/contracts/full/envoy/config/core/v3/address';
import type { SourceRef } from '../config-store/config-object.ts';
import type { ConnectionPool, SidecarIngress } from '../config-store/kinds.ts';
import { parseProtocol, protocolOf, type Protocol } from '../model/protocol.ts';
import type { Service } from '../model/service.ts';
import { effectivePolicy, findDestinationRule } from '../snapshot/destination-rules.ts';
import type { MeshSnapshot } from '../snapshot/mesh-snapshot.ts';
import type { ProxyView } from '../snapshot/proxy-view.ts';
import type { GeneratorContext } from './context.ts';
import { pipeAddress, socketAddress } from './envoy.ts';

export interface InboundPort {
  /** The workload's port as its owner and policies know it. */
  readonly number: number;
  readonly name: string;
  readonly bind: string;
  /** Where the listener is; the same number unless the address is shared. */
  readonly listenPort: number;
  /** Connections come by redirect: nothing is bound. */
  readonly captured: boolean;
  readonly protocol: Protocol;
  readonly target: Address;
  /** Services whose endpoint this port is, the one that decides first. */
  readonly services: readonly Service[];
  readonly connectionPool: ConnectionPool | undefined;
  readonly refs: readonly SourceRef[];
}

export function inboundPorts(context: GeneratorContext): readonly InboundPort[] {
  const { proxy, scope } = context;
  const { workload } = proxy;
  if (!workload) return [];
  const ingress = scope.sidecar?.spec.ingress ?? [];
  const ports =
    ingress.length > 0
      ? ingress.map((listener) => fromIngress(context, workload, listener))
      : workload.ports.map((port) => fromWorkload(context, workload, port));
  return ports.toSorted((a, b) => a.number - b.number);
}

const isRedirected = (proxy: ProxyView): boolean => proxy.interception.mode === 'redirect';

function fromWorkload(
  { snapshot, proxy, scope }: GeneratorContext,
  workload: RegisteredWorkload,
  port: WorkloadPort,
): InboundPort {
  const services = servicesAt(snapshot, workload, port);
  const declared = services.map((service) =>
    service.ports.find((candidate) => servesPort(snapshot, service, candidate.number, workload, port)),
  )[0];
  const first = services[0];
  const rule = first ? findDestinationRule(snapshot, proxy, first) : undefined;
  const rulePool = rule && declared ? effectivePolicy(rule, declared.number).connectionPool : undefined;
  const pool = scope.sidecar?.spec.inboundConnectionPool ?? rulePool;
  return {
    number: port.servicePort,
    name: port.name,
    bind: isRedirected(proxy) ? '0.0.0.0' : workload.address,
    listenPort: port.meshPort,
    captured: isRedirected(proxy),
    protocol: declared?.protocol ?? protocolOf({ name: port.name, number: port.servicePort }),
    target: socketAddress(port.appAddress, port.appPort),
    services,
    connectionPool: pool,
    refs: [
      ...services.flatMap((service) => service.refs),
      ...(pool && rule ? rule.refs : []),
      ...(scope.sidecar ? [scope.sidecar.ref] : []),
    ],
  };
}

function fromIngress(context: GeneratorContext, workload: RegisteredWorkload, ingress: SidecarIngress): InboundPort {
  const number = ingress.port.number ?? 0;
  const port = workload.ports.find((candidate) => candidate.servicePort === number);
  const base: InboundPort = port
    ? fromWorkload(context, workload, port)
    : {
        number,
        name: ingress.port.name ?? '',
        bind: isRedirected(context.proxy) ? '0.0.0.0' : workload.address,
        listenPort: number,
        captured: isRedirected(context.proxy),
        protocol: 'auto',
        target: socketAddress('127.0.0.1', number),
        services: [],
        connectionPool: context.scope.sidecar?.spec.inboundConnectionPool,
        refs: context.scope.sidecar ? [context.scope.sidecar.ref] : [],
      };
  const declared = parseProtocol(ingress.port.protocol ?? ingress.port.name ?? '');
  const captured = base.captured && ingress.captureMode !== 'NONE';
  return {
    ...base,
    captured,
    bind: ingress.bind ?? (captured ? base.bind : workload.address),
    protocol: declared ?? base.protocol,
    target:
      ingress.defaultEndpoint === undefined
        ? base.target
        : parseDefaultEndpoint(ingress.defaultEndpoint, workload.address),
    connectionPool: ingress.connectionPool ?? base.connectionPool,
  };
}

/** `127.0.0.1:8080`, `[::1]:8080`, `0.0.0.0:8080` (the workload's address) or `unix:///path`. */
function parseDefaultEndpoint(text: string, address: string): Address {
  if (text.startsWith('unix://')) return pipeAddress(text.slice('unix://'.length));
  const colon = text.lastIndexOf(':');
  const host = text.slice(0, colon).replaceAll(/[[\]]/g, '');
  return socketAddress(host === '0.0.0.0' || host === '::' ? address : host, Number(text.slice(colon + 1)));
}

/** Declared services before those known from workloads only, then the older. */
function servicesAt(snapshot: MeshSnapshot, workload: RegisteredWorkload, port: WorkloadPort): readonly Service[] {
  const rank = (service: Service): number => (service.origin === 'workloads' ? 1 : 0);
  return snapshot.services
    .filter((service) =>
      service.ports.some((candidate) => servesPort(snapshot, service, candidate.number, workload, port)),
    )
    .toSorted((a, b) => rank(a) - rank(b) || (a.createdAt ?? 0) - (b.createdAt ?? 0));
}

function servesPort(
  snapshot: MeshSnapshot,
  service: Service,
  servicePort: number,
  workload: RegisteredWorkload,
  port: WorkloadPort,
): boolean {
  const endpoints = snapshot.endpoints.get(`${service.namespace}/${service.hostname}`) ?? [];
  return endpoints.some(
    (endpoint) =>
      endpoint.servicePort === servicePort &&
      endpoint.workload === workload.name &&
      endpoint.namespace === workload.namespace &&
      endpoint.port === port.meshPort,
  );
}
