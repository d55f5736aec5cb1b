import { type Clock, type Logger, type Timer } from '@weft/kit';
import type { StatsSink } from '../ports.ts';
import {
  type MemoryLimits,
  excessBytes,
  type MemoryReading,
  NOT_OVERLOADED,
  OVERLOAD_ACTIONS,
  type OverloadState,
  pressureOf,
  stateOf,
  THRESHOLDS,
} from './overload.ts';

export interface OverloadMonitor extends OverloadState {
  close(): void;
}

export interface OverloadMonitorDeps {
  readonly read: () => MemoryReading;
  readonly limits: MemoryLimits;
  /** Ends requests that hold at least so many bytes together, the heaviest first. @returns how many it were. */
  readonly relieve: (bytes: number) => number;
  /** Collects garbage, if that is not too soon. @returns whether it did. */
  readonly collect: () => boolean;
  /** Told after each look, for other threads. */
  readonly onState?: (state: OverloadState) => void;
  readonly stats: Pick<StatsSink, 'gauge' | 'set' | 'counter' | 'add'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const READ_EVERY_MS = 250;

/** Looks at the memory of this process again and again. */
export function startOverloadMonitor(deps: OverloadMonitorDeps): OverloadMonitor {
  const { read, limits, relieve, collect, stats, clock, logger } = deps;
  const resetSlot = stats.counter('overload.streams_reset');
  const pressureSlot = stats.gauge('overload.memory.pressure');
  const activeSlots = OVERLOAD_ACTIONS.map((action) => [action, stats.gauge(`overload.${action}.active`)] as const);
  let before = 0;
  let state = NOT_OVERLOADED;
  /** Since requests were last ended for it: before, what they held counts yet. */
  let collected = false;
  let timer: Timer;
  const look = (): void => {
    const nearest = pressureOf(read(), limits);
    const pressure = nearest.share;
    const next = stateOf(pressure, before);
    before = pressure;
    stats.set(pressureSlot, Math.round(pressure * 100));
    for (const [action, slot] of activeSlots) {
      stats.set(slot, next[action] ? 1 : 0);
      if (next[action] === state[action]) continue;
      const fields = { action, pressure: Math.round(pressure * 100) / 100 };
      if (next[action]) logger.warn(fields, 'overloaded: too much memory is in use');
      else logger.info(fields, 'no longer overloaded');
    }
    state = next;
    deps.onState?.(state);
    if (next.resetting && collected) {
      collected = false;
      const reset = relieve(excessBytes(nearest));
      stats.add(resetSlot, reset);
      if (reset > 0) logger.warn({ reset }, 'overloaded: requests that held much memory were ended');
    }
    // So that the next reading tells of what is in use.
    if (pressure >= THRESHOLDS.closing && collect()) collected = true;
    timer = clock.after(READ_EVERY_MS, look);
  };
  look();
  return {
    get closing() {
      return state.closing;
    },
    get shedding() {
      return state.shedding;
    },
    get refusing() {
      return state.refusing;
    },
    get resetting() {
      return state.resetting;
    },
    close: () => timer.cancel(),
  };
}
