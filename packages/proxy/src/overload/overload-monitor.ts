import { type Clock, type Logger, type Timer } from '@weft/kit';
import type { StatsSink } from '../ports.ts';
import {
  type MemoryLimits,
  type MemoryReading,
  NOT_OVERLOADED,
  OVERLOAD_ACTIONS,
  type OverloadState,
  pressureOf,
  stateOf,
} from './overload.ts';

export interface OverloadMonitor extends OverloadState {
  close(): void;
}

export interface OverloadMonitorDeps {
  readonly read: () => MemoryReading;
  readonly limits: MemoryLimits;
  readonly stats: Pick<StatsSink, 'gauge' | 'set'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const READ_EVERY_MS = 250;

/** Looks at the memory of this process again and again. */
export function startOverloadMonitor({ read, limits, stats, clock, logger }: OverloadMonitorDeps): OverloadMonitor {
  const pressureSlot = stats.gauge('overload.memory.pressure');
  const activeSlots = OVERLOAD_ACTIONS.map((action) => [action, stats.gauge(`overload.${action}.active`)] as const);
  let before = 0;
  let state = NOT_OVERLOADED;
  let timer: Timer;
  const look = (): void => {
    const pressure = pressureOf(read(), limits);
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
    close: () => timer.cancel(),
  };
}
