import type { ObjectReader } from '../../rules/object-reader.ts';

const MAX_BUCKETS = 200;

/** Bounds of a distribution. @returns undefined when none are given: the library's usual ones then hold. */
export function readBuckets(metric: ObjectReader): readonly number[] | undefined {
  const buckets = metric.object('buckets');
  if (!buckets) return undefined;
  const explicit = buckets.object('explicitBuckets');
  const linear = buckets.object('linearBuckets');
  const exponential = buckets.object('exponentialBuckets');
  buckets.end();
  if ([explicit, linear, exponential].filter(Boolean).length > 1) {
    metric.problem('buckets', 'has more than one of explicitBuckets, linearBuckets, exponentialBuckets');
    return undefined;
  }
  const bounds = explicit
    ? readExplicit(explicit)
    : linear
      ? readLinear(linear)
      : exponential
        ? readExponential(exponential)
        : undefined;
  if (bounds?.some((bound, i) => !Number.isFinite(bound) || (i > 0 && bound <= (bounds[i - 1] ?? 0)))) {
    metric.problem('buckets', 'must have finite, ascending bounds');
    return undefined;
  }
  return bounds;
}

function readExplicit(reader: ObjectReader): readonly number[] {
  const bounds = reader.numbers('bounds');
  if (bounds.length > MAX_BUCKETS) reader.problem('bounds', `has more than ${MAX_BUCKETS} bounds`);
  reader.end();
  return bounds.slice(0, MAX_BUCKETS);
}

function finiteBuckets(reader: ObjectReader): number {
  const count = reader.integer('numFiniteBuckets') ?? 0;
  if (count < 1 || count >= MAX_BUCKETS) reader.problem('numFiniteBuckets', `must be from 1 to ${MAX_BUCKETS - 1}`);
  return Math.max(1, Math.min(MAX_BUCKETS - 1, count));
}

/** n finite buckets have n + 1 bounds. */
function readLinear(reader: ObjectReader): readonly number[] {
  const count = finiteBuckets(reader);
  const width = reader.number('width') ?? 0;
  const offset = reader.number('offset') ?? 0;
  if (width <= 0) reader.problem('width', 'must be greater than 0');
  reader.end();
  return Array.from({ length: count + 1 }, (_, i) => offset + i * Math.max(width, Number.EPSILON));
}

function readExponential(reader: ObjectReader): readonly number[] {
  const count = finiteBuckets(reader);
  const growth = reader.number('growthFactor') ?? 0;
  const scale = reader.number('scale') ?? 0;
  if (growth <= 1) reader.problem('growthFactor', 'must be greater than 1');
  if (scale <= 0) reader.problem('scale', 'must be greater than 0');
  reader.end();
  if (growth <= 1 || scale <= 0) return [];
  return Array.from({ length: count + 1 }, (_, i) => scale * growth ** i);
}
