/** RE-03 between two proxies: their connection ends after any number of bytes, of TLS as it is on the wire. */
import { describe, expect, it } from 'vitest';
import type { Topology } from './test-support/cut-bench.ts';
import { cutEverywhere } from './test-support/cut-runs.ts';

// Inside a record of TLS one place is like another.
const STEP = 61;
const HANDSHAKE_STEP = 401;
const TIMEOUT_MS = 120_000;

const MESHES: readonly (Topology & { readonly what: string })[] = [
  { what: 'HTTP/1.1 carried in HTTP/2', down: 'HTTP/1.1', mesh: 'carried', up: 'HTTP/1.1' },
  { what: 'HTTP/1.1', down: 'HTTP/2', mesh: 'HTTP/1.1', up: 'HTTP/2' },
  { what: 'HTTP/2', down: 'HTTP/1.1', mesh: 'HTTP/2', up: 'HTTP/2' },
];

describe.each(MESHES.map((mesh) => [mesh.what, mesh] as const))(
  'RE-03 between two proxies that speak %s',
  (_, topology) => {
    it(
      'no POST runs twice when their connection is cut inside an exchange, and nothing stays',
      async () => {
        const { wrong, runs, statuses, reasons } = await cutEverywhere(topology, { site: 'middle', step: STEP });
        expect(wrong).toEqual([]);
        expect(runs).toBeGreaterThan(50);
        expect([...statuses]).toEqual(expect.arrayContaining([200, 503]));
        expect([...reasons]).toEqual(expect.arrayContaining(['', 'upstream-closed', 'upstream-reset']));
      },
      TIMEOUT_MS,
    );

    it(
      'no request suffers when it is cut inside its handshake, and nothing stays',
      async () => {
        const cuts = { site: 'middle', step: HANDSHAKE_STEP, handshakes: true } as const;
        const { wrong, statuses } = await cutEverywhere(topology, cuts);
        expect(wrong).toEqual([]);
        expect(statuses).toContain(200);
      },
      TIMEOUT_MS,
    );
  },
);
