// What the data path needs from the rest of the process, and what it tells it. Both sides import this file and nothing
// else of each other, so the data path can be tested with plain objects.
import type { AccessLog as AccessLogConfig } from '@weft/contracts/lean/envoy/config/accesslog/v3/accesslog';
import type { Cluster } from '@weft/contracts/lean/envoy/config/cluster/v3/cluster';
import type { ClusterLoadAssignment } from '@weft/contracts/lean/envoy/config/endpoint/v3/endpoint';
import type { Listener } from '@weft/contracts/lean/envoy/config/listener/v3/listener';
import type { RouteConfiguration } from '@weft/contracts/lean/envoy/config/route/v3/route';
import type { LogWants } from './access-log/captures.ts';
import type { HeadView } from './head/head-view.ts';
import type { RequestRecord } from './request-record.ts';

/** What discovery holds at one moment: the last good version of every resource, by name. */
export interface ResourceSet {
  readonly listeners: ReadonlyMap<string, Listener>;
  readonly routes: ReadonlyMap<string, RouteConfiguration>;
  readonly clusters: ReadonlyMap<string, Cluster>;
  /** By EDS service name (`eds_cluster_config.service_name`, else the cluster's name). */
  readonly endpoints: ReadonlyMap<string, ClusterLoadAssignment>;
}

/** All that is held and saved; the data path itself reads no name tables. */
export type ResourceType = 'listener' | 'route' | 'cluster' | 'endpoint' | 'nameTable';

/** What a resource that is held came as. */
export type BytesOf = (type: ResourceType, name: string) => Uint8Array | undefined;

/** One resource that was refused. What stood under its name before stays in force. */
export interface RejectedResource {
  readonly type: ResourceType;
  readonly name: string;
  /** Names the field; goes into the NACK. */
  readonly reason: string;
}

/** PEM texts of one SDS secret. A secret may hold a certificate with its key, a set of roots, or both. */
export interface TlsSecret {
  /** Leaf first. */
  readonly certificateChain?: string;
  readonly privateKey?: string;
  readonly trustedCa?: string;
}

/** Secrets by SDS name (`default`, `ROOTCA`, ...). */
export interface SecretSource {
  get(name: string): TlsSecret | undefined;
  /** Called after a secret changed. @returns what stops it. */
  onChange(listener: (name: string) => void): () => void;
}

/** What is fixed about a series of requests; one slot stands for one set of labels. */
export interface RequestLabels {
  /** Who tells: the caller's proxy or the callee's. */
  readonly reporter: 'source' | 'destination';
  /** SPIFFE ids without a scheme check; empty when the connection was plain. */
  readonly sourcePrincipal: string;
  readonly destinationPrincipal: string;
  /** xDS cluster name, `-` before one was chosen. */
  readonly cluster: string;
  /** `istio.services[0]` of the cluster's metadata, where present. */
  readonly destinationService: string;
  readonly destinationServiceName: string;
  readonly destinationServiceNamespace: string;
  /** Of the endpoint's metadata `istio.workload`: "name;namespace;canonical service;canonical revision;cluster". Empty when unknown. */
  readonly destinationWorkload: string;
  /** The caller in the same form, as `PeerExchange.read` gave it; reporter `destination` only. Empty when unknown. */
  readonly sourceWorkload: string;
  readonly protocol: 'http' | 'grpc' | 'tcp';
  readonly mutualTls: boolean;
  readonly listener: string;
}

/**
 * Counters and gauges. Slots are numbers into typed arrays; equal labels give the same slot. Slots are taken when config
 * or a connection brings a new label set, never per request. Nothing here allocates when recording.
 */
export interface StatsSink {
  requestSlot(labels: RequestLabels): number;
  /** @param grpcStatus 0–16; -1 for what is no gRPC, 17 for gRPC without a status. @param requestMessages of gRPC, as of the answer. */
  recordRequest(
    slot: number,
    code: number,
    flags: number,
    durationMs: number,
    requestBytes: number,
    responseBytes: number,
    grpcStatus: number,
    requestMessages?: number,
    responseMessages?: number,
  ): void;
  /** `recordTcp` may be called many times for one connection: once with opened = 1, with byte deltas, once with closed = 1. */
  recordTcp(slot: number, opened: number, closed: number, receivedBytes: number, sentBytes: number): void;
  /** A named counter or gauge, for example `cluster.x.upstream_cx_total`; the same name gives the same slot. */
  counter(name: string): number;
  gauge(name: string): number;
  add(counterSlot: number, by: number): void;
  set(gaugeSlot: number, value: number): void;
}

/** Called once per request or TCP connection, after it ended. Reads what it needs at once: the record may be reused. */
export interface AccessLogger {
  /** What the record should have when it comes beside what it has anyway; undefined when nothing. */
  readonly wants?: LogWants | undefined;
  log(record: RequestRecord): void;
}

/** Compiles what listeners say about logging. */
export interface AccessLogs {
  /**
   * The logger of one filter or listener: its own `access_log` list, and the entries that telemetry asks for. Never slow
   * and never failing when called later. @throws {ConfigRejectedError} naming `resource`.
   */
  create(configs: readonly AccessLogConfig[], resource: string): AccessLogger;
}

/**
 * Who the caller is, told as Istio's sidecars tell it: on requests to a peer of the mesh (mutual TLS) the client's proxy
 * sets `x-envoy-peer-metadata-id` and `x-envoy-peer-metadata`; the server's proxy reads them on connections with a
 * verified certificate and strips them always, as do gateways and the outbound side for what applications send.
 */
export interface PeerExchange {
  /** Values of the two headers for this proxy. */
  readonly id: string;
  readonly metadata: string;
  /**
   * "name;namespace;canonical service;canonical revision;cluster" from a received `x-envoy-peer-metadata`, for
   * `RequestLabels.sourceWorkload`. Remembered by value, so cheap for the values that repeat. Empty when it can not be
   * read or its namespace is not the one of `principal`.
   */
  read(metadata: string, principal: string): string;
}

/** Sampling as the listener says, 0–1. */
export interface TracingSettings {
  readonly randomSampling: number;
  readonly overallSampling: number;
  readonly clientSampling: number;
  /** Literal tags of the listener. */
  readonly tags: readonly (readonly [name: string, value: string])[];
}

export interface TraceSpan {
  /** Once, after the request ended. */
  finish(record: RequestRecord): void;
}

export interface Tracer {
  /** Reads the caller's trace context and writes the outgoing one into `head`. @returns undefined when the request is not sampled. */
  start(head: HeadView, record: RequestRecord, settings: TracingSettings): TraceSpan | undefined;
}

/** Everything that a listener on this address needs to be adopted rather than bound: `"ADDRESS:PORT"` → descriptor. */
export type InheritedFds = ReadonlyMap<string, number>;

/** One host of a cluster, for the admin page. */
export interface HostStatus {
  /** "address:port". */
  readonly name: string;
  readonly hostname: string;
  /** Takes its part of the traffic. */
  readonly healthy: boolean;
  /** Envoy's names for what keeps it from that, such as `failed_outlier_check`; empty when nothing does. */
  readonly healthFlags: readonly string[];
  /** What discovery says, in Envoy's word. */
  readonly edsHealth: 'HEALTHY' | 'DEGRADED' | 'UNHEALTHY' | 'DRAINING';
  /** Percent in the last interval of outlier detection; -1 = too few calls, or not looked at. */
  readonly successRate: number;
  readonly localOriginSuccessRate: number;
  readonly weight: number;
  readonly priority: number;
  /** "region/zone/subzone". */
  readonly locality: string;
  readonly activeConnections: number;
  readonly totalConnections: number;
  readonly activeRequests: number;
  readonly totalRequests: number;
  readonly failedRequests: number;
  readonly connectFailures: number;
  /** Attempts that were given up for their time. */
  readonly timedOutRequests: number;
  /** Waiting for a connection. */
  readonly pendingRequests: number;
}

export interface ClusterStatus {
  readonly name: string;
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
  readonly hosts: readonly HostStatus[];
}

export interface ListenerStatus {
  readonly name: string;
  /** "address:port" as bound; empty when the listener binds no port. */
  readonly address: string;
  readonly state: 'active' | 'warming' | 'draining' | 'failed';
  /** Why, for `warming` and `failed`. */
  readonly reason: string;
}

/** A bound listener, by this process's number for its socket. */
export interface ListenerSocket {
  readonly address: string;
  readonly port: number;
  readonly fd: number;
}

export interface DrainPlan {
  readonly inboundOnly: boolean;
  /** First clients are told to leave, for `ms`; only then nothing more is accepted. */
  readonly graceful: boolean;
  /** False: with `graceful`, clients are told to leave, and all that comes is accepted for ever. */
  readonly stops: boolean;
  readonly ms: number;
}

/** What the rest of the process asks of the data path. */
export interface DataPath {
  /**
   * Takes a whole new set. @returns what was refused; the former version of each stands.
   * @param bytesOf what each came as, for a data path that hands resources on.
   */
  update(resources: ResourceSet, bytesOf?: BytesOf): readonly RejectedResource[];
  /** Brings up to date what the next four tell, where that is counted elsewhere. */
  refresh(): void | Promise<void>;
  listeners(): readonly ListenerStatus[];
  clusters(): readonly ClusterStatus[];
  activeConnections(): number;
  /** Requests of clients, and their TCP connections, that are not over. */
  activeRequests(): number;
  /** Waits that may run late, of all connections and requests. */
  armedTimers(): number;
  /** Ends the requests that hold most memory, until it is as much as this. @returns how many it were. */
  relieve(bytes: number): number;
  /** Begins to accept, where that was held back for another process. */
  serve(): void;
  sockets(): readonly ListenerSocket[];
  /** Some listeners end, the proxy does not. */
  drainListeners(plan: DrainPlan): void;
  /** Stops accepting and lets requests finish. @returns how many connections were cut at the deadline (epoch milliseconds). */
  drain(deadlineMs: number): Promise<number>;
  close(): Promise<void>;
}
