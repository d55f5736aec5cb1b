/** Milliseconds of one clock that all threads of this machine agree on. */
export function nowMs(): number {
  const [seconds, nanos] = process.hrtime();
  return seconds * 1e3 + nanos / 1e6;
}
