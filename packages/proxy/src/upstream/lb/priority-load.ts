/** How the hosts of one priority are. */
export interface LevelHealth {
  readonly total: number;
  readonly healthy: number;
  readonly degraded: number;
}

/** Percent of all traffic for each priority's healthy and degraded hosts; in a panic the healthy share is for all of its hosts. */
export interface LevelLoads {
  readonly healthy: readonly number[];
  readonly degraded: readonly number[];
  readonly panic: readonly boolean[];
}

/** Envoy's rule of priorities: a level gives away traffic once its healthy share × the factor is below 100 %. */
export function levelLoads(
  levels: readonly LevelHealth[],
  overprovisioningPercent: number,
  panicThreshold: number,
): LevelLoads {
  const capacity = (available: number, total: number): number =>
    total === 0 ? 0 : Math.min(100, Math.floor((overprovisioningPercent * available) / total));
  const healthy = levels.map((level) => capacity(level.healthy, level.total));
  const degraded = levels.map((level) => capacity(level.degraded, level.total));
  const available = Math.min(100, sum(healthy) + sum(degraded));
  const none = levels.map(() => 0);
  if (available === 0) {
    const first = levels.map((_, i) => (i === 0 ? 100 : 0));
    return { healthy: first, degraded: none, panic: levels.map((_, i) => i === 0 && panicThreshold > 0) };
  }
  const panic = levels.map((level) => available < 100 && inPanic(level, panicThreshold));
  if (panic.every(Boolean)) return { healthy: byHostCount(levels), degraded: none, panic };
  const shared = share(healthy, available, 100);
  const sharedDegraded = share(degraded, available, shared.left);
  // What rounding left over goes to the first level that has anybody.
  const firstHealthy = healthy.findIndex((capable) => capable > 0);
  if (firstHealthy >= 0) add(shared.loads, firstHealthy, sharedDegraded.left);
  else
    add(
      sharedDegraded.loads,
      degraded.findIndex((capable) => capable > 0),
      sharedDegraded.left,
    );
  return { healthy: shared.loads, degraded: sharedDegraded.loads, panic };
}

export const inPanic = ({ total, healthy, degraded }: LevelHealth, threshold: number): boolean =>
  (total === 0 ? 0 : (100 * (healthy + degraded)) / total) < threshold;

function byHostCount(levels: readonly LevelHealth[]): number[] {
  const total = sum(levels.map((level) => level.total));
  const loads = levels.map((level) => Math.floor((level.total * 100) / total));
  add(
    loads,
    loads.findIndex((load) => load > 0),
    100 - sum(loads),
  );
  return loads;
}

function share(capable: readonly number[], available: number, most: number): { loads: number[]; left: number } {
  let left = most;
  const loads = capable.map((percent) => {
    const load = Math.min(left, Math.round((percent * 100) / available));
    left -= load;
    return load;
  });
  return { loads, left };
}

const add = (loads: number[], at: number, by: number): void => {
  if (at >= 0) loads[at] = (loads[at] ?? 0) + by;
};

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);
