import { createRegexEngine } from '@weft/evaluator';
import { seededRandom, silentLogger, systemClock } from '@weft/kit';
import { type AccessLogsHandle, createAccessLogs } from '../access-log/access-logs.ts';

/** Access logs of a proxy on this machine whose lines go to files alone. */
export const fileLogs = (): AccessLogsHandle =>
  createAccessLogs({
    clock: systemClock,
    logger: silentLogger,
    random: seededRandom(3),
    regex: createRegexEngine(),
    hostname: 'here',
    environment: () => undefined,
    onRecord: () => {},
  });
