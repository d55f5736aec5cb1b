// What the main thread and its workers say to each other. Numbers that change all the time are not said: they are in
// memory that both see.
import type { WorkloadSecret } from '@weft/contracts';
import type { LogLevel } from '@weft/kit';
import type { OverloadMemory } from '../overload/shared-overload.ts';
import type { ProfileKind } from '../admin/profiles.ts';
import type { ClusterStatus, DrainPlan, ListenerStatus, RejectedResource, ResourceType, TlsSecret } from '../ports.ts';
import type { LogEntryInit, SpanInit } from '../reporting/log-entry.ts';
import type { StatsMemory } from '../stats/stats.ts';
import type { NameAnswer } from '../upstream/dns.ts';
import type { HostVerdict } from '../upstream/host-verdicts.ts';
import type { EjectionKind } from '../upstream/outlier/outlier-settings.ts';

/** What a worker is told at its start. */
export interface WorkerStart {
  /** From 0; the first one checks the health of hosts, ejects them and looks up names, for all. */
  readonly number: number;
  readonly workers: number;
  readonly nodeId: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly hostname: string;
  readonly maxConnections: number;
  readonly maxWaitingHandshakes: number;
  readonly maxDescriptor: number;
  readonly drainTimeMs: number;
  readonly socketMark: number | undefined;
  readonly logLevel: LogLevel;
  readonly memory: {
    readonly cells: SharedArrayBuffer;
    readonly addresses: SharedArrayBuffer;
    readonly stats: StatsMemory;
    readonly overload: OverloadMemory;
    /** Characters of access logs on their way to the main thread, and lines. */
    readonly logged: SharedArrayBuffer;
    /** One cell: the last update that it has answered. */
    readonly answered: SharedArrayBuffer;
  };
}

/** What changed of the configuration. All of it was judged by the main thread before. */
export interface WorkerUpdate {
  readonly type: 'update';
  readonly version: number;
  readonly changed: readonly { readonly type: ResourceType; readonly name: string; readonly bytes: Uint8Array }[];
  readonly removed: readonly { readonly type: ResourceType; readonly name: string }[];
  /** Descriptors for this worker alone, by "ADDRESS:PORT". */
  readonly sockets: readonly (readonly [address: string, fd: number])[];
  /** Where nobody is to connect any more. */
  readonly closed: readonly string[];
}

export type ToWorker =
  | WorkerUpdate
  | { readonly type: 'secrets'; readonly default: WorkloadSecret; readonly rootCaPem: string }
  /** Not the workload's own; undefined: there is none any more. */
  | { readonly type: 'named-secret'; readonly name: string; readonly secret: TlsSecret | undefined }
  | { readonly type: 'log-level'; readonly level: LogLevel }
  | { readonly type: 'drain-listeners'; readonly plan: DrainPlan }
  | { readonly type: 'drain'; readonly deadlineMs: number }
  /** Ends the requests that hold most memory, until it is as much as this. */
  | { readonly type: 'relieve'; readonly bytes: number }
  | { readonly type: 'tell-status'; readonly id: number }
  | { readonly type: 'profile'; readonly id: number; readonly kind: ProfileKind; readonly ms: number }
  | Agreement
  | { readonly type: 'suspect'; readonly suspect: Suspect };

/** What one worker found out for all. */
type Agreement =
  | { readonly type: 'verdict'; readonly verdict: HostVerdict }
  | { readonly type: 'name'; readonly answer: NameAnswer };

export interface Suspect {
  readonly cluster: string;
  readonly host: string;
  readonly kind: EjectionKind;
}

export interface WorkerStatus {
  readonly listeners: readonly ListenerStatus[];
  readonly clusters: readonly ClusterStatus[];
  readonly connections: number;
  readonly requests: number;
  readonly timers: number;
}

/** Goes over a line of its own, so that the main thread may wait for it and do nothing else. */
export interface UpdateAnswer {
  readonly type: 'updated';
  readonly version: number;
  readonly refused: readonly RejectedResource[];
}

export interface ProfileAnswer {
  readonly type: 'profile';
  readonly id: number;
  readonly profile?: string;
  readonly error?: string;
}

export type FromWorker =
  | UpdateAnswer
  | ProfileAnswer
  /** Something happened that nobody expected: it can not trust its own state. */
  | { readonly type: 'failed' }
  | { readonly type: 'status'; readonly id: number; readonly status: WorkerStatus }
  | { readonly type: 'drained'; readonly cutConnections: number }
  /** Whole lines of one access log. */
  | { readonly type: 'lines'; readonly path: string; readonly text: string; readonly lines: number }
  | { readonly type: 'entries'; readonly entries: ReportEntries }
  | Agreement
  | { readonly type: 'suspect'; readonly suspect: Suspect };

/** For telemetry. */
export interface ReportEntries {
  readonly spans: readonly SpanInit[];
  readonly logs: readonly LogEntryInit[];
  /** Entries that were held back since the last ones, and lines of access logs that found no room. */
  readonly held: number;
  readonly droppedLines: number;
}
