/** @returns milliseconds, fractions kept; undefined when absent. */
export const millis = (
  duration: { readonly seconds: bigint; readonly nanos: number } | undefined,
): number | undefined => (duration === undefined ? undefined : Number(duration.seconds) * 1000 + duration.nanos / 1e6);
