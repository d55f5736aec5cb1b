/**
 * RE-03 at the proxy: connections end after any number of bytes, on either side of it. Each byte is met by some of the
 * runs; `pnpm chaos cuts` meets each by all of them.
 */
import { describe, expect, it } from 'vitest';
import type { Topology } from './test-support/cut-bench.ts';
import { cutEverywhere } from './test-support/cut-runs.ts';

// Divides neither a line nor a frame.
const STEP = 17;
const TIMEOUT_MS = 120_000;

const TOPOLOGIES: readonly (Topology & { readonly what: string })[] = (['HTTP/1.1', 'HTTP/2'] as const).flatMap(
  (down) => [
    ...(['HTTP/1.1', 'HTTP/2'] as const).map((up) => ({ what: `${down} to ${up}`, down, mesh: undefined, up })),
    { what: `${down}, between two proxies, to HTTP/1.1`, down, mesh: 'carried' as const, up: 'HTTP/1.1' as const },
  ],
);

describe.each(TOPOLOGIES.map((topology) => [topology.what, topology] as const))('RE-03 %s', (_, topology) => {
  it.each(['client', 'application'] as const)(
    'cut at the %s: no POST runs twice, each outcome has its reason, nothing stays',
    async (site) => {
      const { wrong, runs, phases, statuses, reasons } = await cutEverywhere(topology, { site, step: STEP });
      expect(wrong).toEqual([]);
      expect(runs).toBeGreaterThan(100);
      // Cuts were made in all phases, and came to every end.
      const spoken = site === 'client' ? topology.down : topology.up;
      // With HTTP/2 other frames may follow, or not.
      const back = ['nothing', 'informational', 'head', 'body', ...(spoken === 'HTTP/2' ? [] : ['whole'])];
      for (const phase of [...['nothing', 'head', 'body'].map((one) => `there ${one}`), ...back.map((one) => `back ${one}`)])
        expect(phases).toContain(phase);
      expect(statuses).toContain(200);
      expect(reasons).toContain('');
      if (site === 'client') expect(reasons).toContain('downstream-closed');
      else for (const one of ['upstream-reset', 'upstream-closed', 'upstream-response-cut']) expect(reasons).toContain(one);
    },
    TIMEOUT_MS,
  ); // prettier-ignore
});
