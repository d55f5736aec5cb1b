/** Health of a local application by heartbeat: pure, fed by whoever probes. */

export interface HeartbeatOptions {
  readonly intervalMs: number;
  /** Misses in a row after which it is unhealthy. */
  readonly missesAllowed: number;
}

export const DEFAULT_HEARTBEAT: HeartbeatOptions = { intervalMs: 1000, missesAllowed: 3 };

export interface HeartbeatState {
  readonly health: 'starting' | 'healthy' | 'unhealthy';
  readonly misses: number;
}

export const STARTING: HeartbeatState = { health: 'starting', misses: 0 };

/** One success makes it healthy; it stays `starting` through misses until the first one. */
export function beat(state: HeartbeatState, answered: boolean, options: HeartbeatOptions): HeartbeatState {
  if (answered) return state.health === 'healthy' && state.misses === 0 ? state : { health: 'healthy', misses: 0 };
  const misses = state.misses + 1;
  const lost = state.health === 'healthy' && misses >= options.missesAllowed;
  return { health: lost ? 'unhealthy' : state.health, misses };
}
