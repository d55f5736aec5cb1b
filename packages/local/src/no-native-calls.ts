/** The error of who can not do without calls of the C library. */
import { WeftError } from '@weft/kit';

/** @param where of the process that can not do without. */
export const noNativeCalls = (problem: Error, where = ''): WeftError =>
  new WeftError('WEFT_ISOLATION_UNAVAILABLE', `the native call library does not load${where}: ${problem.message}`, {
    cause: problem,
    fix: 'try again; if it stays so, install the packages again for this system, or use --interception loopback',
  });
