/** Sidecars and the gateway replaced a hundred times under 300 requests a second of every kind. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { meshWithEdge } from '../harness/long-run.ts';
import type { TestMesh } from '../harness/mesh.ts';
import { startMix } from '../harness/mix.ts';

const REPLACEMENTS = 100;
const DRAIN_S = 8;
// Two clocks, each of whole milliseconds, and timers that may be a little early.
const CLOCK_MS = 100;
const TURNS = [['echo'], ['client'], ['weft-gateway', '-n', 'weft-system'], ['wire']];

/** What all proxies said in their logs. */
function cutAtDeadlines({ state }: TestMesh): number {
  const logs = join(state, 'logs');
  const lines = readdirSync(logs)
    .filter((name) => name.endsWith('.proxy.log'))
    .flatMap((name) => readFileSync(join(logs, name), 'utf8').split('\n'))
    .filter((line) => line.includes('connections were cut at the drain deadline'));
  return lines.reduce((sum, line) => sum + (JSON.parse(line) as { readonly connections: number }).connections, 0);
}

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
    for (let round = 0; round < REPLACEMENTS; round += 1) {
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
    // Whoever cut one had taken it before its drain began.
    for (const { openedMs, closedMs } of webSockets)
      expect(closedMs - openedMs).toBeGreaterThanOrEqual(DRAIN_S * 1000 - CLOCK_MS);
    expect(webSockets.length).toBeGreaterThan(0);
    const reported = cutAtDeadlines(mesh);
    console.warn(`${reported} connections cut at the deadline, as the proxies report`);
    expect(reported).toBeGreaterThanOrEqual(webSockets.length);
  });
});
