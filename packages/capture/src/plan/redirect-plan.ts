/** What the network namespace of a workload is to do with connections: a checked value, whoever turns it into rules. */
import { DNS_CAPTURE_PORT, INBOUND_CAPTURE_PORT, OUTBOUND_CAPTURE_PORT } from '@weft/contracts';
import { WeftError } from '@weft/kit';
import { parseCidr, type Cidr, type Family } from './cidr.ts';

/** Whose packets are the proxy's own and so are never captured. At least one is set. */
export interface ProxyOwner {
  readonly uid?: number;
  readonly gid?: number;
  /** Packet mark (SO_MARK), for user namespaces where proxy and application can only have the same user. */
  readonly mark?: number;
}

export interface RedirectPlan {
  readonly families: readonly Family[];
  readonly proxy: ProxyOwner;
  readonly outboundPort: number;
  readonly inboundPort: number;
  /** UDP and TCP to port 53 of any name server go here; undefined: DNS is left alone. */
  readonly dnsPort: number | undefined;
  readonly outbound: OutboundSelection;
  readonly inbound: InboundSelection;
  /** Packets that come or go through these are left alone. */
  readonly excludeInterfaces: readonly string[];
}

/** Excluded ones win over included ones. */
export interface OutboundSelection {
  readonly includeCidrs: readonly Cidr[];
  readonly excludeCidrs: readonly Cidr[];
  /** Captured whatever the address. */
  readonly includePorts: readonly number[];
  readonly excludePorts: readonly number[];
}

export interface InboundSelection {
  readonly includePorts: 'all' | readonly number[];
  readonly excludePorts: readonly number[];
}

/** As people and annotations say it; what is left out has Istio's default. */
export interface RedirectPlanInput {
  readonly proxy: ProxyOwner;
  readonly ipv6?: boolean;
  readonly outboundPort?: number;
  readonly inboundPort?: number;
  readonly dnsPort?: number;
  /** Default: everything. */
  readonly includeOutboundCidrs?: readonly string[];
  readonly excludeOutboundCidrs?: readonly string[];
  readonly includeOutboundPorts?: readonly number[];
  readonly excludeOutboundPorts?: readonly number[];
  /** Default: all. */
  readonly includeInboundPorts?: 'all' | readonly number[];
  readonly excludeInboundPorts?: readonly number[];
  /** Ports that the sidecar itself serves; replaces `OWN_PORTS`. */
  readonly ownPorts?: readonly number[];
  readonly excludeInterfaces?: readonly string[];
}

/**
 * What a sidecar serves itself: admin, outbound and inbound capture, status, readiness, DNS, metrics. Nobody else can
 * listen there, so leaving out these, and not all of 15000–15099, leaves no port of an application uncaptured.
 */
export const OWN_PORTS: readonly number[] = [
  15_000,
  OUTBOUND_CAPTURE_PORT,
  INBOUND_CAPTURE_PORT,
  15_020,
  15_021,
  DNS_CAPTURE_PORT,
  15_090,
];

const EVERYTHING = ['0.0.0.0/0', '::/0'];

/** @throws {WeftError} WEFT_CAPTURE_PLAN naming the field. */
export function buildRedirectPlan(input: RedirectPlanInput): RedirectPlan {
  const outboundPort = portOf('outboundPort', input.outboundPort ?? OUTBOUND_CAPTURE_PORT);
  const inboundPort = portOf('inboundPort', input.inboundPort ?? INBOUND_CAPTURE_PORT);
  const dnsPort = input.dnsPort === undefined ? undefined : portOf('dnsPort', input.dnsPort);
  if (new Set([outboundPort, inboundPort, dnsPort]).size < 3)
    throw refused('inboundPort', `${inboundPort} is used twice: each direction and DNS need a port of their own`);
  const families: readonly Family[] = input.ipv6 === true ? ['ipv4', 'ipv6'] : ['ipv4'];
  const cidrs = (field: string, texts: readonly string[]): readonly Cidr[] =>
    texts.map((text) => parseCidr(text, field));
  return {
    families,
    proxy: ownerOf(input.proxy),
    outboundPort,
    inboundPort,
    dnsPort,
    outbound: {
      includeCidrs: cidrs('includeOutboundCidrs', input.includeOutboundCidrs ?? EVERYTHING),
      excludeCidrs: cidrs('excludeOutboundCidrs', input.excludeOutboundCidrs ?? []),
      includePorts: portsOf('includeOutboundPorts', input.includeOutboundPorts ?? []),
      excludePorts: portsOf('excludeOutboundPorts', input.excludeOutboundPorts ?? []),
    },
    inbound: {
      includePorts:
        input.includeInboundPorts === undefined || input.includeInboundPorts === 'all'
          ? 'all'
          : portsOf('includeInboundPorts', input.includeInboundPorts),
      excludePorts: portsOf('excludeInboundPorts', [
        ...(input.ownPorts ?? OWN_PORTS),
        outboundPort,
        inboundPort,
        ...(dnsPort === undefined ? [] : [dnsPort]),
        ...(input.excludeInboundPorts ?? []),
      ]),
    },
    excludeInterfaces: (input.excludeInterfaces ?? []).map(interfaceOf),
  };
}

const MAX_ID = 0xff_ff_ff_fe;
const MAX_MARK = 0xff_ff_ff_ff;

function ownerOf(owner: ProxyOwner): ProxyOwner {
  const { uid, gid, mark } = owner;
  if (uid === undefined && gid === undefined && mark === undefined) {
    throw refused(
      'proxy',
      'nothing tells the packets of the proxy from those of the application: its own calls would come back to it',
      'Give the uid or gid that the proxy runs as, or the mark of its sockets.',
    );
  }
  const whole = (field: string, value: number | undefined, min: number, max: number): void => {
    if (value === undefined || (Number.isInteger(value) && value >= min && value <= max)) return;
    throw refused(field, `${value} is not a whole number from ${min} to ${max}`);
  };
  whole('proxy.uid', uid, 0, MAX_ID);
  whole('proxy.gid', gid, 0, MAX_ID);
  // Unmarked packets have mark 0.
  whole('proxy.mark', mark, 1, MAX_MARK);
  return {
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    ...(mark === undefined ? {} : { mark }),
  };
}

function portOf(field: string, port: number): number {
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw refused(field, `${port} is not a port from 1 to 65535`);
}

/** Sorted, each once: equal plans give equal rules. */
const portsOf = (field: string, ports: readonly number[]): readonly number[] =>
  [...new Set(ports.map((port) => portOf(field, port)))].sort((a, b) => a - b);

// 15 bytes is the kernel's limit; a name that could end a rule's text or be read as a pattern is none of these.
const INTERFACE = /^[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}$/;

function interfaceOf(name: string): string {
  if (INTERFACE.test(name)) return name;
  throw refused('excludeInterfaces', `"${name}" is no name of a network interface`);
}

const refused = (field: string, reason: string, fix?: string): WeftError =>
  new WeftError(
    'WEFT_CAPTURE_PLAN',
    `${field}: ${reason}`,
    fix === undefined ? { where: field } : { where: field, fix },
  );
