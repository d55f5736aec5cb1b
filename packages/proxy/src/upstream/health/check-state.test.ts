import { describe, expect, it } from 'vitest';
import { afterProbe, type CheckState, jitterOf, UNKNOWN_STATE, waitAfterMs } from './check-state.ts';
import type { HealthCheckSettings } from './health-check-settings.ts';
import type { ProbeResult } from './probe.ts';

const SETTINGS: HealthCheckSettings = {
  probe: { kind: 'tcp', send: Buffer.alloc(0), receive: [] },
  timeoutMs: 100,
  intervalMs: 1_000,
  initialJitterMs: 0,
  jitterMs: 0,
  jitterPercent: 0,
  unhealthyThreshold: 3,
  healthyThreshold: 2,
  noTrafficIntervalMs: 60_000,
  noTrafficHealthyIntervalMs: 30_000,
  unhealthyIntervalMs: 5_000,
  unhealthyEdgeIntervalMs: 200,
  healthyEdgeIntervalMs: 400,
  port: undefined,
  reuseConnection: true,
};

const run = (...results: ProbeResult[]): CheckState =>
  results.reduce((state, result) => afterProbe(state, result, SETTINGS), UNKNOWN_STATE);

describe('a host that is asked', () => {
  it('is what the first answer says', () => {
    expect(run('passed')).toEqual({ known: true, healthy: true, against: 0 });
    expect(run('no-answer')).toEqual({ known: true, healthy: false, against: 0 });
  });
  it('changes when the other answer repeats without a break', () => {
    expect(run('passed', 'failed', 'no-answer').healthy).toBe(true);
    expect(run('passed', 'failed', 'no-answer', 'failed').healthy).toBe(false);
    expect(run('passed', 'failed', 'failed', 'passed', 'failed', 'failed').healthy).toBe(true);
    expect(run('failed', 'passed').healthy).toBe(false);
    expect(run('failed', 'passed', 'passed').healthy).toBe(true);
  });
  it('is believed at once when it says itself that it is not well', () => {
    expect(run('passed', 'failed-now').healthy).toBe(false);
  });
});

describe('the wait for the next question', () => {
  const wait = (state: CheckState, traffic = true, more: Partial<HealthCheckSettings> = {}, drawn = 0): number =>
    waitAfterMs(state, { ...SETTINGS, ...more }, traffic, { next: () => drawn });
  it('depends on state, on whether it is about to change, and on traffic', () => {
    expect(wait(run('passed'))).toBe(1_000);
    expect(wait(run('passed', 'failed'))).toBe(200);
    expect(wait(run('failed'))).toBe(5_000);
    expect(wait(run('failed', 'passed'))).toBe(400);
    expect(wait(run('passed'), false)).toBe(30_000);
    expect(wait(run('failed'), false)).toBe(60_000);
  });
  it('is spread by jitter, in few steps', () => {
    expect(wait(run('passed'), true, { jitterMs: 100, jitterPercent: 10 }, 0.99)).toBe(1_175);
    expect(new Set(Array.from({ length: 100 }, (_, i) => jitterOf(800, { next: () => i / 100 }))).size).toBe(8);
  });
});
