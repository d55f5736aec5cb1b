/** Ten minutes of every kind of request: memory and sockets stay. */
import { waitFor } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { meshWithEdge } from '../harness/long-run.ts';
import type { TestMesh } from '../harness/mesh.ts';
import { startMix } from '../harness/mix.ts';
import { MIB, openSockets, residentBytes, type Sample, slopeOf } from '../harness/process-memory.ts';

const MINUTES = 10;
const WARM_UP_MINUTES = 3;
const EVERY_MS = 5_000;
const PROXIES = ['weft-gateway', 'client', 'echo', 'wire'];

describe('RE-10 a soak', () => {
  let mesh: TestMesh;
  beforeAll(async () => {
    mesh = await meshWithEdge();
  });
  afterAll(() => mesh?.[Symbol.asyncDispose]());

  it(`RE-10 ${MINUTES} minutes: no request fails, memory does not rise, no socket stays`, async () => {
    const pids = await Promise.all(PROXIES.map(async (name) => (await mesh.workload(name)).processes?.proxy ?? 0));
    const sockets = pids.map(openSockets);
    const [echo, wire] = [await mesh.outbound('client', 'echo', 8000), await mesh.outbound('client', 'wire', 8001)];
    const mix = startMix({
      urls: [echo, mesh.gateway],
      h2Urls: [echo, mesh.gateway],
      webSocketUrls: [wire, mesh.gateway],
      clientsOfEachKind: 4,
      everyMs: 95,
    });
    const samples = PROXIES.map((): Sample[] => []);
    const beganMs = Date.now();
    for (let minutes = 0; minutes < MINUTES; minutes = (Date.now() - beganMs) / 60_000) {
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
      const now = (Date.now() - beganMs) / 60_000;
      pids.forEach((pid, i) => now > WARM_UP_MINUTES && samples[i]?.push({ minutes: now, bytes: residentBytes(pid) }));
    }
    const { calls, failed, webSockets } = await mix.stop();
    const slopes = samples.map((of) => slopeOf(of) / MIB);
    console.warn(
      `${JSON.stringify(calls)}, ${failed.length} failed; MiB a minute: ${PROXIES.map((name, i) => `${name} ${slopes[i]?.toFixed(2)} (${Math.round((samples[i]?.at(-1)?.bytes ?? 0) / MIB)})`).join(', ')}`,
    );
    expect([failed, webSockets]).toEqual([[], []]);
    for (const slope of slopes) expect(slope).toBeLessThanOrEqual(1);
    // Between the proxies connections are kept for the next request.
    await waitFor(() => pids.every((pid, i) => openSockets(pid) <= (sockets[i] ?? 0) + 12), {
      timeoutMs: 60_000,
      what: `sockets to be back at ${sockets.join(', ')}`,
    });
  }, 900_000);
});
