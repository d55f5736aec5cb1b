// When a proxy has too much in memory it first lets go of clients, then refuses requests, then connections.

/** What is refused now. Read on each request and connection, changed by the monitor. */
export interface OverloadState {
  /** Answers say close. */
  readonly closing: boolean;
  /** New requests are answered `overloaded`. */
  readonly shedding: boolean;
  /** No connections are accepted. */
  readonly refusing: boolean;
  /** Requests that hold much are ended. */
  readonly resetting: boolean;
}

export const NOT_OVERLOADED: OverloadState = { closing: false, shedding: false, refusing: false, resetting: false };

export interface MemoryReading {
  /** In use by V8's heap, and what it may grow to. */
  readonly heapUsed: number;
  readonly heapLimit: number;
  /** Of several heaps, where there are: then `heapUsed` is that of all. */
  readonly fullest?: { readonly used: number; readonly limit: number };
  /** Buffers beside the heap. */
  readonly external: number;
  /** Of the whole process. */
  readonly resident: number;
}

export interface MemoryLimits {
  /** Of heap and buffers together. */
  readonly maxBytes: number;
  /** What the system gives the process before it ends it; undefined = no such limit. */
  readonly systemBytes: number | undefined;
}

/** Envoy's advice for its heap. */
export const THRESHOLDS = { closing: 0.92, shedding: 0.95, refusing: 0.98, resetting: 0.98 } as const;
export type OverloadAction = keyof typeof THRESHOLDS;
export const OVERLOAD_ACTIONS = Object.keys(THRESHOLDS) as OverloadAction[];

export interface Pressure {
  /** 1 = at the limit that is nearest. */
  readonly share: number;
  /** That limit. */
  readonly limitBytes: number;
}

export function pressureOf(reading: MemoryReading, limits: MemoryLimits): Pressure {
  const { heapUsed, heapLimit, external, resident, fullest = { used: heapUsed, limit: heapLimit } } = reading;
  const uses: (readonly [used: number, limit: number])[] = [
    [fullest.used, fullest.limit],
    [heapUsed + external, limits.maxBytes],
  ];
  if (limits.systemBytes !== undefined) uses.push([resident, limits.systemBytes]);
  return uses
    .map(([used, limitBytes]) => ({ share: used / limitBytes, limitBytes }))
    .reduce((most, one) => (one.share > most.share ? one : most));
}

/** What has to be given back for requests to be taken again. */
export const excessBytes = ({ share, limitBytes }: Pressure): number =>
  Math.ceil((share - THRESHOLDS.shedding) * limitBytes);

/** An action begins when two readings in a row are above its threshold, since the next collection may free much; it ends with the first below. */
export const stateOf = (pressure: number, before: number): OverloadState => ({
  closing: Math.min(pressure, before) >= THRESHOLDS.closing,
  shedding: Math.min(pressure, before) >= THRESHOLDS.shedding,
  refusing: Math.min(pressure, before) >= THRESHOLDS.refusing,
  resetting: Math.min(pressure, before) >= THRESHOLDS.resetting,
});
