/** Sidecars and the gateway replaced a hundred times under 300 requests a second of every kind. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { meshWithEdge } from '../harness/long-run.ts';
import type { TestMesh } from '../harness/mesh.ts';
import { startMix } from '../harness/mix.ts';

const REPLACEMENTS = 100;
const DRAIN_S = 8;
const TURNS = [['echo'], ['client'], ['ingressgateway', '-n', 'weft-system'], ['wire']];

describe('RE-09 a hundred replacements', () => {
  let mesh: TestMesh;
  beforeAll(async () => {
    mesh = await meshWithEdge();
  });
  afterAll(() => mesh?.[Symbol.asyncDispose]());

  it('RE-09 no request of a client that tries nothing twice fails, and what deadlines cut is reported', async () => {
    const [echo, wire] = [await mesh.outbound('client', 'echo', 8000), await mesh.outbound('client', 'wire', 8001)];
    const beganMs = Date.now();
    const mix = startMix({
      urls: [echo, mesh.gateway],
      h2Urls: [echo, mesh.gateway],
      webSocketUrls: [wire, mesh.gateway],
      clientsOfEachKind: 4,
      everyMs: 95,
    });
    const began: number[] = [];
    for (let round = 0; round < REPLACEMENTS; round += 1) {
      began.push(Date.now());
      const { code, stderr } = await mesh.weft([
        'restart',
        ...(TURNS[round % TURNS.length] ?? []),
        '--drain',
        String(DRAIN_S),
      ]);
      expect([code, stderr]).toEqual([0, '']);
    }
    const { calls, failed, webSockets } = await mix.stop();
    const total = Object.values(calls).reduce((sum, count) => sum + count, 0);
    const rps = Math.round((total * 1000) / (Date.now() - beganMs));
    console.warn(
      `${REPLACEMENTS} replacements, ${total} requests (${rps} a second: ${JSON.stringify(calls)}), ${failed.length} failed; ${webSockets.length} WebSockets cut at the deadline`,
    );
    expect(failed).toEqual([]);
    for (const { openedMs, closedMs } of webSockets) {
      const first = began.find((ms) => ms > openedMs - 5_000) ?? 0;
      expect(closedMs - first).toBeGreaterThanOrEqual(DRAIN_S * 1000);
    }
  });
});
