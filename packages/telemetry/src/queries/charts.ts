/** Values over time. */
import type { SeriesQuery, TimeSeries, TrendsQuery } from '@weft/contracts';
import { COARSE, FINE, reachMs, type RingShape } from '../store/time-ring.ts';
import { concerns, type EdgeGroup, type EdgeSeries } from './edge-groups.ts';
import { quantile } from './percentiles.ts';
import { preferredGroups, ringOf, type Window } from './traffic.ts';

const MAX_POINTS = 2_000;

/** An even grid on the slots of one ring. */
interface Grid {
  readonly shape: RingShape;
  readonly firstSlot: number;
  readonly slotsPerStep: number;
  readonly steps: number;
}

function gridOf(fromMs: number, toMs: number, stepMs: number, nowMs: number): Grid {
  const shape = nowMs - fromMs <= reachMs(FINE) ? FINE : COARSE;
  const slotsPerStep = Math.max(1, Math.ceil(stepMs / shape.stepMs));
  const steps = Math.min(MAX_POINTS, Math.max(1, Math.round((toMs - fromMs) / (slotsPerStep * shape.stepMs))));
  return endingAt(toMs, shape, slotsPerStep, steps);
}

/** The last step holds the end, so that no point lies in the future; the first may begin before what was asked for. */
function endingAt(toMs: number, shape: RingShape, slotsPerStep: number, steps: number): Grid {
  return { shape, firstSlot: Math.ceil(toMs / shape.stepMs) - slotsPerStep * steps, slotsPerStep, steps };
}

function windowOfGrid({ shape, firstSlot, slotsPerStep, steps }: Grid): Window {
  const last = firstSlot + slotsPerStep * steps - 1;
  return { shape, first: firstSlot, last, lengthMs: slotsPerStep * steps * shape.stepMs };
}

/** Adds the samples of the series to each step. */
function fill(
  grid: Grid,
  items: readonly EdgeSeries[],
  into: (step: number, sample: Float64Array, item: EdgeSeries) => void,
): void {
  for (const item of items) {
    for (let step = 0; step < grid.steps; step += 1) {
      const sample = new Float64Array(item.series.metric.width);
      const first = grid.firstSlot + step * grid.slotsPerStep;
      ringOf(item, grid.shape).sum(first, first + grid.slotsPerStep - 1, sample);
      into(step, sample, item);
    }
  }
}

const zeros = (length: number): number[] => Array.from({ length }, () => 0);

export function chart(groups: readonly EdgeGroup[], query: SeriesQuery, nowMs: number): readonly TimeSeries[] {
  const { subject, metric } = query;
  const grid = gridOf(query.fromMs, query.toMs, query.stepMs, nowMs);
  const stepMs = grid.slotsPerStep * grid.shape.stepMs;
  const fromMs = grid.firstSlot * grid.shape.stepMs;
  const chosen = preferredGroups(groups, windowOfGrid(grid)).filter((group) => concerns(group, subject));
  const result = (name: string, points: readonly number[]): TimeSeries => ({ name, fromMs, stepMs, points });

  if (metric === 'latency') {
    const bounds = chosen.flatMap((group) => group.series.duration)[0]?.series.metric.bounds ?? [];
    const counts = Array.from({ length: grid.steps }, () => zeros(bounds.length + 1));
    for (const group of chosen) {
      fill(grid, group.series.duration, (step, sample, item) => {
        const into = counts[step];
        if (!into || item.series.metric.bounds.length !== bounds.length) return;
        for (let i = 0; i < into.length; i += 1) into[i] = (into[i] ?? 0) + (sample[i + 1] ?? 0);
      });
    }
    const at = (share: number): number[] => counts.map((step) => quantile(share, bounds, step));
    return [result('p50', at(0.5)), result('p95', at(0.95)), result('p99', at(0.99))];
  }

  const points = zeros(grid.steps);
  const perSecond = (step: number, sample: Float64Array): void => {
    points[step] = (points[step] ?? 0) + (sample[0] ?? 0) / (stepMs / 1000);
  };
  for (const { series } of chosen) {
    if (metric === 'bytes') {
      const all = [series.requestBytes, series.responseBytes, series.tcpSent, series.tcpReceived];
      for (const items of all) fill(grid, items, perSecond);
    } else {
      fill(grid, metric === 'errors' ? series.requests.filter((item) => item.error) : series.requests, perSecond);
    }
  }
  return [result(metric, points)];
}

export function trends(
  groups: readonly EdgeGroup[],
  query: TrendsQuery,
  nowMs: number,
): ReadonlyMap<string, readonly number[]> {
  const steps = Math.min(MAX_POINTS, Math.max(1, query.steps));
  const fit = gridOf(query.fromMs, query.toMs, Math.max(1, (query.toMs - query.fromMs) / steps), nowMs);
  const grid = endingAt(query.toMs, fit.shape, fit.slotsPerStep, steps);
  const seconds = (grid.slotsPerStep * grid.shape.stepMs) / 1000;
  const all = new Map<string, number[]>();
  for (const group of preferredGroups(groups, windowOfGrid(grid))) {
    const { namespace, name } = query.of === 'service' ? group.service : group.destination;
    const key = `${namespace}/${name}`;
    const points = all.get(key) ?? zeros(grid.steps);
    all.set(key, points);
    fill(grid, group.series.requests, (step, sample) => {
      points[step] = (points[step] ?? 0) + (sample[0] ?? 0) / seconds;
    });
  }
  return all;
}
