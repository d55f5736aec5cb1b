import type { Duration } from '@bufbuild/protobuf/wkt';

/** Whole milliseconds; `fallback` when absent. */
export const millisOr = (duration: Duration | undefined, fallback: number): number =>
  duration === undefined ? fallback : Math.round(Number(duration.seconds) * 1000 + duration.nanos / 1e6);
