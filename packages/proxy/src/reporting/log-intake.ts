import type { RequestRecord } from '../request-record.ts';
import { isNotable, type LogEntryInit, logEntryOf } from './log-entry.ts';

/** Entries of requests that went well. */
export const ORDINARY_LOGS_PER_SECOND = 100;

/** Chooses which requests telemetry is told of one by one. */
export interface LogIntake {
  /** @returns undefined when the request went well and enough others did in the same second. */
  take(record: RequestRecord): LogEntryInit | undefined;
  /** How many those were. */
  held(): number;
}

/** Lets a share of ordinary entries through, so that a busy proxy does not spend itself on telling; failures are always told. */
export function createLogIntake(ordinaryPerSecond: number): LogIntake {
  let held = 0;
  let second = 0;
  let ordinary = 0;
  const hasRoom = (now: number): boolean => {
    const thisSecond = Math.floor(now / 1000);
    if (thisSecond !== second) {
      second = thisSecond;
      ordinary = 0;
    }
    ordinary += 1;
    return ordinary <= ordinaryPerSecond;
  };
  return {
    take(record) {
      if (isNotable(record) || hasRoom(record.startMs)) return logEntryOf(record);
      held += 1;
      return undefined;
    },
    held: () => held,
  };
}
