/** A little traffic, so that there is something to see. */

/** @returns its end. Requests that fail are part of what the console shows. */
export function startTraffic(url: string, rps: number): () => void {
  let inFlight = 0;
  const timer = setInterval(() => {
    // A slow page must not pile up requests here.
    if (inFlight >= 100) return;
    inFlight += 1;
    fetch(url, { signal: AbortSignal.timeout(10_000) })
      .then((response) => response.arrayBuffer())
      .catch(() => {})
      .finally(() => {
        inFlight -= 1;
      });
  }, 1000 / rps);
  return () => clearInterval(timer);
}
