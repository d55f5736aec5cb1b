/** What a process holds, from /proc. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export const MIB = 1024 * 1024;

export const residentBytes = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;

export const openSockets = (pid: number): number =>
  readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:');
    } catch {
      return false;
    }
  }).length;

export interface Sample {
  readonly minutes: number;
  readonly bytes: number;
}

/** Least squares, in bytes a minute. */
export function slopeOf(samples: readonly Sample[]): number {
  const mean = (of: (sample: Sample) => number): number =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const [x, y] = [mean(({ minutes }) => minutes), mean(({ bytes }) => bytes)];
  const above = samples.reduce((sum, { minutes, bytes }) => sum + (minutes - x) * (bytes - y), 0);
  return above / samples.reduce((sum, { minutes }) => sum + (minutes - x) ** 2, 0);
}
