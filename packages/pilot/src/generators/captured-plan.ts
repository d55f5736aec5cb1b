/**
 * What a sidecar does with its workload's own calls when they are redirected to it: one listener for the HTTP services of
 * each port, one for each virtual address of the others. No caller dials these; `virtualOutbound` hands connections over by
 * the address that was dialled.
 */
import { compareText } from '../model/hostname.ts';
import { isHttp, parseProtocol, type Protocol } from '../model/protocol.ts';
import type { Service } from '../model/service.ts';
import type { SidecarEgress } from '../config-store/kinds.ts';
import { endpointsOf } from '../snapshot/mesh-snapshot.ts';
import { egressServices } from '../snapshot/scope.ts';
import type { GeneratorContext } from './context.ts';
import type { OutboundHttpListener, OutboundTarget } from './outbound-plan.ts';

/** Every address: what is dialled on a port and has no listener of its own. */
export const WILDCARD = '0.0.0.0';

export interface CapturedListener {
  readonly bind: string;
  readonly port: number;
  readonly http: OutboundHttpListener | undefined;
  /** The first of those that fit. */
  readonly tcp: readonly TcpBranch[];
}

/** Bytes that are not HTTP, for one service. Without ranges and names it takes all that is left. */
export interface TcpBranch {
  readonly target: OutboundTarget;
  /** CIDR. */
  readonly ranges: readonly string[];
  readonly serverNames: readonly string[];
}

/** Sorted by address and port. A Sidecar's egress entries with a port come first and are not added to. */
export function planCaptured(context: GeneratorContext): readonly CapturedListener[] {
  const { proxy, scope } = context;
  if (proxy.type !== 'sidecar' || proxy.interception.mode !== 'redirect') return [];
  const listeners = new Map<string, CapturedListener>();
  const locked = new Set<string>();
  for (const egress of scope.sidecar?.spec.egress ?? []) {
    if (!egress.port?.number || egress.captureMode === 'NONE') continue;
    const own = new Map<string, CapturedListener>();
    for (const claim of egressClaims(context, egress, egress.port.number)) merge(own, claim);
    for (const [key, listener] of own) if (!locked.has(key)) listeners.set(key, listener);
    for (const key of own.keys()) locked.add(key);
  }
  for (const claim of freeClaims(context)) if (!locked.has(keyOf(claim))) merge(listeners, claim);
  return [...listeners.entries()].toSorted(([a], [b]) => compareText(a, b)).map(([, listener]) => listener);
}

const keyOf = ({ bind, port }: Pick<CapturedListener, 'bind' | 'port'>): string => `${bind}_${port}`;

/** HTTP services of a port share a listener. Of the others the first keeps an address: two can not be told apart by it. */
function merge(into: Map<string, CapturedListener>, claim: CapturedListener): void {
  const key = keyOf(claim);
  const known = into.get(key);
  if (!known) {
    into.set(key, claim);
    return;
  }
  // An address of its own belongs to one service.
  if (claim.bind !== WILDCARD) return;
  const http =
    known.http && claim.http
      ? { ...known.http, targets: [...known.http.targets, ...claim.http.targets] }
      : (known.http ?? claim.http);
  const takesAll = (branch: TcpBranch): boolean => branch.ranges.length === 0 && branch.serverNames.length === 0;
  const taken = new Set(known.tcp.flatMap(criteriaOf));
  const tcp = [
    ...known.tcp,
    ...claim.tcp.filter((branch) =>
      takesAll(branch) ? !known.tcp.some(takesAll) : !criteriaOf(branch).some((criterion) => taken.has(criterion)),
    ),
  ];
  into.set(key, { ...known, http, tcp });
}

const criteriaOf = ({ ranges, serverNames }: TcpBranch): readonly string[] => [
  ...ranges.map((range) => `range ${range}`),
  ...serverNames.map((name) => `name ${name}`),
];

/** The services that no egress entry with a port speaks of. */
function freeClaims(context: GeneratorContext): readonly CapturedListener[] {
  const { scope, proxy } = context;
  const egress = scope.sidecar?.spec.egress ?? [];
  const open = egress.filter((entry) => !entry.port?.number);
  const services =
    egress.length === 0
      ? scope.services
      : [...new Set(open.flatMap((entry) => egressServices(scope, entry, proxy.namespace)))];
  const egressHosts = egress.length === 0 ? undefined : open.flatMap((entry) => entry.hosts);
  return olderFirst(services).flatMap((service) =>
    service.ports.flatMap((port) => claimsOf(context, { service, port }, port.protocol, port.number, egressHosts)),
  );
}

function egressClaims(
  context: GeneratorContext,
  { port: declared, bind, hosts }: SidecarEgress,
  number: number,
): readonly CapturedListener[] {
  const targets = olderFirst(egressServices(context.scope, { hosts }, context.proxy.namespace)).flatMap((service) =>
    service.ports.filter((port) => port.number === number).map((port) => ({ service, port })),
  );
  const protocol = parseProtocol(declared?.protocol ?? declared?.name ?? '') ?? targets[0]?.port.protocol ?? 'auto';
  if (isHttp(protocol) || (protocol === 'auto' && bind !== undefined)) {
    const address = bind ?? WILDCARD;
    const http: OutboundHttpListener = {
      bind: address,
      port: number,
      servicePort: number,
      kind: 'http',
      routeName: bind === undefined ? String(number) : `${bind}:${number}`,
      targets,
      hosts: 'shared',
      egressHosts: hosts,
    };
    return [{ bind: address, port: number, http, tcp: [] }];
  }
  if (bind !== undefined)
    return targets.slice(0, 1).map((target) => ({ bind, port: number, http: undefined, tcp: [everything(target)] }));
  return targets.flatMap((target) => claimsOf(context, target, protocol, number, hosts));
}

const olderFirst = (services: readonly Service[]): readonly Service[] =>
  services.toSorted((a, b) => (a.createdAt ?? 0) - (b.createdAt ?? 0) || compareText(a.hostname, b.hostname));

const everything = (target: OutboundTarget): TcpBranch => ({ target, ranges: [], serverNames: [] });

/** Where one service's port is looked for: all addresses for HTTP, where Host tells services apart, else its own. */
function claimsOf(
  context: GeneratorContext,
  target: OutboundTarget,
  protocol: Protocol,
  port: number,
  egressHosts: readonly string[] | undefined,
): readonly CapturedListener[] {
  const { service } = target;
  if (protocol === 'udp') return [];
  const shared: OutboundHttpListener = {
    bind: WILDCARD,
    port,
    servicePort: port,
    kind: 'http',
    routeName: String(port),
    targets: [target],
    hosts: 'shared',
    ...(egressHosts ? { egressHosts } : {}),
  };
  if (isHttp(protocol)) return [{ bind: WILDCARD, port, http: shared, tcp: [] }];
  const ranges = service.addresses.filter((address) => address.includes('/'));
  const addresses = service.addresses.filter((address) => !address.includes('/'));
  const auto = protocol === 'auto';
  const claims = addresses.map((bind): CapturedListener => {
    const routeName = `${service.hostname}:${port}`;
    const http: OutboundHttpListener = { ...shared, bind, routeName, hosts: 'service' };
    return { bind, port, http: auto ? http : undefined, tcp: [everything(target)] };
  });
  if (ranges.length > 0)
    claims.push({ bind: WILDCARD, port, http: auto ? shared : undefined, tcp: [{ target, ranges, serverNames: [] }] });
  if (service.addresses.length > 0) return claims;
  if (service.resolution === 'eds' && service.origin !== 'service-entry') {
    return instanceAddresses(context, target).map(({ address, port: instancePort }) => ({
      bind: address,
      port: instancePort,
      http: auto
        ? { ...shared, bind: address, port: instancePort, routeName: `${service.hostname}:${port}`, hosts: 'service' }
        : undefined,
      tcp: [everything(target)],
    }));
  }
  const named = (protocol === 'tls' || protocol === 'https') && service.hostname !== '*';
  return [
    {
      bind: WILDCARD,
      port,
      http: auto ? shared : undefined,
      tcp: [{ target, ranges: [], serverNames: named ? [service.hostname] : [] }],
    },
  ];
}

/** Of a service without a virtual address its instances are called, though never oneself. */
function instanceAddresses(
  { snapshot, proxy }: GeneratorContext,
  { service, port }: OutboundTarget,
): readonly { readonly address: string; readonly port: number }[] {
  return endpointsOf(snapshot, service).filter(
    (endpoint) => endpoint.servicePort === port.number && endpoint.address !== proxy.address,
  );
}
