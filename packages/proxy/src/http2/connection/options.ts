import { DEFAULT_HEAD_LIMITS, type HeadLimits } from '../../http1/head-parser.ts';
import { DEFAULT_FRAME_BYTES } from '../frames/constants.ts';

export interface Keepalive {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Only while a stream is open and nothing has come for as long. */
  readonly whenSilent?: boolean;
}

/** What both sides of a connection keep to. Each limit has a counter (counters.ts). */
export interface H2Limits {
  /** SETTINGS_MAX_CONCURRENT_STREAMS; for a client how many it opens at most, whatever the peer allows. */
  readonly maxConcurrentStreams: number;
  /** Bytes that a peer may send before they are used: each stream, and all streams together. */
  readonly streamWindow: number;
  readonly connectionWindow: number;
  /** SETTINGS_MAX_FRAME_SIZE. */
  readonly maxFrame: number;
  readonly head: HeadLimits;
  /** CONTINUATION frames of one header block. */
  readonly maxContinuations: number;
  /** DATA frames in a row that hold nothing and end nothing. */
  readonly maxEmptyFrames: number;
  /** Frames that answer the peer and that it does not read; and frames of every kind. */
  readonly maxQueuedControlFrames: number;
  readonly maxQueuedFrames: number;
  /** Bytes for the peer above which nothing more is fetched for it. */
  readonly outputBytes: number;
  /** Frames of one kind that carry no request (PING, SETTINGS, PRIORITY, WINDOW_UPDATE, …) at once … */
  readonly controlBurst: number;
  /** … and how many of them come to that each second. Work on streams earns more. */
  readonly controlPerSecond: number;
  /** Envoy's own bounds, beside those: PRIORITY frames for each stream, WINDOW_UPDATE frames for each of ours with data. */
  readonly maxPriorityPerStream: number;
  readonly maxWindowUpdatesPerData: number;
  /** Once so many requests came, more than half of them cut off at once ends the connection. */
  readonly minRequestsForResetRatio: number;
  /** A request that was cut off before it was as old as this counts. */
  readonly prematureResetMs: number;
  /**
   * The peer is a proxy of the mesh, whose one connection carries the requests of many: what its clients break off, and
   * what was under way for it, is no fault of the peer, and ends no connection that others use.
   */
  readonly carriesMany: boolean;
  /** How long a peer may read nothing while nothing more is read from it. */
  readonly stallMs: number;
  /** undefined = no PING of ours. */
  readonly keepalive: Keepalive | undefined;
}

const KIB = 1024;

export const DEFAULT_H2_LIMITS: H2Limits = {
  maxConcurrentStreams: 1000,
  streamWindow: 512 * KIB,
  connectionWindow: 16 * 1024 * KIB,
  maxFrame: DEFAULT_FRAME_BYTES,
  head: DEFAULT_HEAD_LIMITS,
  maxContinuations: 16,
  maxEmptyFrames: 10,
  maxQueuedControlFrames: 1000,
  maxQueuedFrames: Infinity,
  outputBytes: 256 * KIB,
  controlBurst: 1000,
  controlPerSecond: 10,
  maxPriorityPerStream: Infinity,
  maxWindowUpdatesPerData: Infinity,
  minRequestsForResetRatio: 500,
  prematureResetMs: 1000,
  carriesMany: false,
  stallMs: 60_000,
  keepalive: undefined,
};

/** Where anybody may call: what Envoy advises for edges. */
export const EDGE_H2_LIMITS: H2Limits = {
  ...DEFAULT_H2_LIMITS,
  maxConcurrentStreams: 100,
  streamWindow: 64 * KIB,
  connectionWindow: 1024 * KIB,
};

/** For a peer that is a proxy of the mesh, and for whom we ask ourselves. Its clients were judged where they came in. */
export const forCarrier = (limits: H2Limits): H2Limits => ({
  ...limits,
  carriesMany: true,
  minRequestsForResetRatio: Number.POSITIVE_INFINITY,
  // Our own resets are among them, as many as callers go away.
  maxQueuedControlFrames: limits.maxQueuedControlFrames * 100,
});

/**
 * Between sidecars: many requests share a connection, so that one to a machine that vanished must be found out before
 * TCP does. Not for applications, some of which take a PING for abuse.
 */
export const MESH_KEEPALIVE: Keepalive = { intervalMs: 5_000, timeoutMs: 5_000, whenSilent: true };

// As much as one read brings: fewer frames for a body.
const MESH_FRAME_BYTES = 64 * KIB;
const MESH_OUTPUT_BYTES = 1024 * KIB;

/** Between sidecars: one connection has the bodies of many, so that what is enough for one of them holds all of them up. */
export const forMesh = (limits: H2Limits): H2Limits => ({
  ...limits,
  maxFrame: MESH_FRAME_BYTES,
  outputBytes: limits.outputBytes < DEFAULT_H2_LIMITS.outputBytes ? limits.outputBytes : MESH_OUTPUT_BYTES,
});
