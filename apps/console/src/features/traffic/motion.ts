/**
 * Moving traffic: how many dots an edge has, how fast they go, which of them are failures. Pure and without memory: the
 * place of each dot follows from the time alone, so that a redraw never makes them jump.
 */
import type { GraphEdge } from '@weft/contracts/console-views';

export interface Motion {
  /** Dots on the edge at the same time. */
  readonly dots: number;
  /** Edge lengths per second. */
  readonly speed: number;
  /** 0–1. */
  readonly failing: number;
}

const MAX_DOTS = 8;
const FAST_MS = 10;
const SLOW_MS = 2_000;

/** Density follows the rate, speed follows latency: both by logarithm, since both span orders of magnitude. */
export function motionOf({ traffic }: Pick<GraphEdge, 'traffic'>): Motion {
  const { requestsPerSecond, errorPercent, latencyMs, bytesPerSecond = 0 } = traffic;
  if (requestsPerSecond <= 0 && bytesPerSecond <= 0) return { dots: 0, speed: 0, failing: 0 };
  const rate = Math.max(requestsPerSecond, bytesPerSecond / 1_000);
  const dots = Math.min(MAX_DOTS, Math.max(1, Math.round(1 + Math.log2(1 + rate))));
  const slowness = Math.log((latencyMs?.p50 ?? 20) / FAST_MS) / Math.log(SLOW_MS / FAST_MS);
  const speed = 0.7 - 0.55 * Math.min(1, Math.max(0, slowness));
  return { dots, speed, failing: errorPercent / 100 };
}

export interface Dot {
  /** Place on the edge, 0–1. */
  readonly at: number;
  readonly failed: boolean;
}

export function dotsAt({ dots, speed, failing }: Motion, seconds: number, seed: number): readonly Dot[] {
  return Array.from({ length: dots }, (_, i) => {
    const travelled = seconds * speed + i / dots + seed;
    // Each trip along the edge draws its own lot.
    const lot = fraction(Math.sin((Math.floor(travelled) + i * 7 + seed * 13) * 12.9898) * 43_758.5453);
    return { at: fraction(travelled), failed: lot < failing };
  });
}

const fraction = (value: number): number => value - Math.floor(value);

/** A number in [0, 1) from an id, so that edges do not beat in step. */
export function seedOf(id: string): number {
  let hash = 0;
  for (const char of id) hash = (Math.imul(hash, 31) + (char.codePointAt(0) ?? 0)) >>> 0;
  return hash / 0x1_0000_0000;
}
