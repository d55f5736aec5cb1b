/** Health of a workload whose parts others start: what is not our child must be asked. */
import type { RegisteredWorkload } from '@weft/contracts';
import type { Clock, Timer } from '@weft/kit';
import { beat, DEFAULT_HEARTBEAT, STARTING, type HeartbeatState } from './heartbeat.ts';
import { probe, type Probe } from './probe.ts';

export interface HealthTarget {
  /** For people: what is waited for. */
  readonly what: string;
  readonly probe: Probe;
  readonly host: string;
  readonly port: number;
}

export interface HealthWatch {
  /** Resolves when all have answered. */
  readonly ready: Promise<void>;
  /** Those that do not answer now. */
  waitingFor(): readonly string[];
  close(): void;
}

const STARTING_INTERVAL_MS = 200;

/** Asks all of them once a second; the workload is healthy while every one is. */
export function watchHealth(
  targets: readonly HealthTarget[],
  deps: { readonly clock: Clock; readonly onChange: (health: RegisteredWorkload['health']) => void },
): HealthWatch {
  const states = new Map<HealthTarget, HeartbeatState>(targets.map((target) => [target, STARTING]));
  let told: RegisteredWorkload['health'] = 'starting';
  let timer: Timer | undefined;
  let closed = false;
  let settle: () => void = () => {};
  const ready = new Promise<void>((resolve) => {
    settle = resolve;
  });
  const ask = async (target: HealthTarget): Promise<void> => {
    const answered = await probe(target.probe, target.host, target.port, DEFAULT_HEARTBEAT.intervalMs);
    states.set(target, beat(states.get(target) ?? STARTING, answered, DEFAULT_HEARTBEAT));
  };
  const round = async (): Promise<void> => {
    await Promise.all(targets.map(ask));
    if (closed) return;
    const health = worst([...states.values()]);
    if (health !== told) deps.onChange(health);
    told = health;
    if (health === 'healthy') settle();
    timer = deps.clock.after(
      health === 'starting' ? STARTING_INTERVAL_MS : DEFAULT_HEARTBEAT.intervalMs,
      () => void round(),
    );
  };
  void round();
  return {
    ready,
    waitingFor: () => targets.filter((target) => states.get(target)?.health !== 'healthy').map(({ what }) => what),
    close() {
      closed = true;
      timer?.cancel();
    },
  };
}

function worst(states: readonly HeartbeatState[]): HeartbeatState['health'] {
  if (states.some(({ health }) => health === 'unhealthy')) return 'unhealthy';
  return states.some(({ health }) => health === 'starting') ? 'starting' : 'healthy';
}
