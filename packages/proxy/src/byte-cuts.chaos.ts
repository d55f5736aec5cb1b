/** RE-03 at the proxy, every byte in every combination (its own command: pnpm chaos cuts). */
import { describe, expect, it } from 'vitest';
import type { Protocol, Topology } from './test-support/cut-bench.ts';
import { cutEverywhere } from './test-support/cut-runs.ts';

const PROTOCOLS: readonly Protocol[] = ['HTTP/1.1', 'HTTP/2'];
const HANDSHAKE_STEP = 7;
const TIMEOUT_MS = 1_800_000;

const TOPOLOGIES: readonly (Topology & { readonly what: string })[] = PROTOCOLS.flatMap((down) => [
  ...PROTOCOLS.map((up) => ({ what: `${down} to ${up}`, down, mesh: undefined, up })),
  ...([...PROTOCOLS, 'carried'] as const).map((mesh) => ({
    what: `${down}, ${mesh} between two proxies, to HTTP/1.1`,
    down,
    mesh,
    up: 'HTTP/1.1' as const,
  })),
]);

describe.each(TOPOLOGIES.map((topology) => [topology.what, topology] as const))('RE-03 %s', (_, topology) => {
  const sites = topology.mesh === undefined ? (['client', 'application'] as const) : (['client', 'middle', 'application'] as const); // prettier-ignore
  it.each(sites)(
    'RE-03 cut at the %s at every byte',
    async (site) => {
      const { wrong, runs, reasons } = await cutEverywhere(topology, { site, step: 1 });
      console.warn(`${topology.what}, ${site}: ${runs} connections cut; ${[...reasons].join(' ')}`);
      expect(wrong).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it.skipIf(topology.mesh === undefined)(
    'RE-03 cut inside the handshake of two proxies',
    async () => {
      const { wrong, runs } = await cutEverywhere(topology, { site: 'middle', step: HANDSHAKE_STEP, handshakes: true });
      console.warn(`${topology.what}, handshakes: ${runs} connections cut`);
      expect(wrong).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
