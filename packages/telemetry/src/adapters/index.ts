import type { Adapter } from './adapter.ts';
import { denier } from './denier/denier.ts';
import { prometheus } from './prometheus/prometheus.ts';
import { stdio } from './stdio/stdio.ts';

/** The adapters that are built in, by name. */
export const ADAPTERS: ReadonlyMap<string, Adapter> = new Map(
  [denier, prometheus, stdio].map((adapter) => [adapter.name, adapter]),
);
