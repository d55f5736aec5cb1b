/** What the views need of an edge, each request once: the telemetry store's rates without the second reporter. Pure. */
import type { EdgeRates, LatencyCounts, TrafficProtocol } from '@weft/contracts';

/** One side of a call as the proxies named it. A side that nobody knows has no workload. */
export interface Party {
  readonly namespace: string;
  readonly workload?: string;
  readonly version?: string;
  readonly principal?: string;
}

/** Calls from one workload to one version of one service. */
export interface CallStats {
  readonly source: Party;
  readonly destination: Party & {
    /** Short name of the called service; absent for what is no service of the mesh. */
    readonly service?: string;
    /** Hostname or authority that was called. */
    readonly host?: string;
  };
  readonly protocol: TrafficProtocol;
  /** Requests; for TCP, connections. */
  readonly requests: number;
  readonly errors: number;
  readonly codes: readonly CodeStats[];
  readonly latency?: LatencyCounts;
  readonly security: { readonly mutualTls: number; readonly plaintext: number };
  readonly bytesPerSecond: number;
}

export interface CodeStats {
  /** HTTP status; `0` for no answer, empty for TCP. */
  readonly code: string;
  readonly flag: string;
  /** Empty unless gRPC. */
  readonly grpcStatus: string;
  readonly requests: number;
}

const known = (value: string): string | undefined => (value === '' || value === 'unknown' ? undefined : value);

export function callsOf(edges: readonly EdgeRates[]): readonly CallStats[] {
  return edges.filter(({ preferred }) => preferred).map(callOf);
}

function callOf(edge: EdgeRates): CallStats {
  const { protocol, tcp, latency, security } = edge;
  const service = known(edge.service.namespace) && known(edge.service.name);
  const host = known(edge.service.host);
  return {
    source: party(edge.source, edge.sourceVersion, edge.sourcePrincipal),
    destination: {
      ...party(edge.destination, edge.destinationVersion, edge.destinationPrincipal),
      ...(service === undefined ? {} : { service }),
      // A call that met no workload still went to some service's namespace.
      ...(known(edge.destination.name) || service === undefined ? {} : { namespace: edge.service.namespace }),
      ...(host === undefined ? {} : { host }),
    },
    protocol,
    requests: protocol === 'tcp' ? tcp.connectionsOpened : edge.requests,
    errors: protocol === 'tcp' ? failedConnections(edge) : edge.errors,
    codes: edge.codes.map(({ responseCode: code, responseFlags: flag, grpcStatus, requests }) => ({
      code,
      flag,
      grpcStatus,
      requests,
    })),
    ...(latency ? { latency } : {}),
    security,
    bytesPerSecond: tcp.sentBytesPerSecond + tcp.receivedBytesPerSecond,
  };
}

const failedConnections = ({ codes }: EdgeRates): number =>
  codes.reduce((sum, { responseFlags, requests }) => (responseFlags === '-' ? sum : sum + requests), 0);

function party(ref: EdgeRates['source'], version: string, principal: string): Party {
  const workload = known(ref.name);
  const [knownVersion, knownPrincipal] = [known(version), known(principal)];
  return {
    namespace: known(ref.namespace) ?? '',
    ...(workload === undefined ? {} : { workload }),
    ...(knownVersion === undefined ? {} : { version: knownVersion }),
    ...(knownPrincipal === undefined ? {} : { principal: knownPrincipal }),
  };
}
