/** A hundred thousand requests whose clients leave after any number of bytes: memory, timers and sockets stay. */
import { connect } from 'node:net';
import { waitFor } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { meshWithEdge } from '../harness/long-run.ts';
import { http } from '../harness/http.ts';
import { stats } from '../harness/metrics.ts';
import type { TestMesh } from '../harness/mesh.ts';
import { MIB, openSockets, residentBytes } from '../harness/process-memory.ts';

const REQUESTS = 100_000;
const WARM_UP = 20_000;
const AT_ONCE = 48;
const PROXIES = ['client', 'echo'];
const REQUEST =
  'POST /?size=300 HTTP/1.1\r\nHost: echo\r\nContent-Length: 20\r\nX-Some: thing\r\n\r\ntwenty bytes of body';

/** Sends so many bytes, reads so many of the answer, and goes. */
function leave(url: string, sends: number, reads: number, reset: boolean): Promise<void> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port) });
    let got = 0;
    const go = (): void => void (reset ? socket.resetAndDestroy() : socket.destroy());
    socket.on('error', () => {});
    socket.on('close', () => resolve());
    socket.setTimeout(30_000, go);
    socket.on('connect', () => {
      if (sends === 0) return go();
      socket.write(REQUEST.slice(0, sends), () => {
        if (sends < REQUEST.length) go();
      });
    });
    socket.on('data', (data) => {
      got += data.length;
      if (got >= reads) go();
    });
  });
}

describe('RE-10 clients that leave', () => {
  let mesh: TestMesh;
  beforeAll(async () => {
    mesh = await meshWithEdge();
  });
  afterAll(() => mesh?.[Symbol.asyncDispose]());

  it(`RE-10 ${REQUESTS} of them, after every number of bytes: nothing stays`, async () => {
    const echo = await mesh.outbound('client', 'echo', 8000);
    const workloads = await Promise.all(PROXIES.map((name) => mesh.workload(name)));
    const pids = workloads.map(({ processes }) => processes?.proxy ?? 0);
    expect((await http(echo)).status).toBe(200);
    const sockets = pids.map(openSockets);
    let next = 0;
    const until = async (end: number): Promise<void> => {
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          while (next < end) {
            const index = next;
            next += 1;
            const place = index % (REQUEST.length + 400);
            // Inside the request, and behind it inside the answer.
            await leave(echo, Math.min(place, REQUEST.length), Math.max(1, place - REQUEST.length), index % 2 === 0);
          }
        }),
      );
    };
    await until(WARM_UP);
    const warm = pids.map(residentBytes);
    await until(REQUESTS);
    const grown = pids.map((pid, i) => (residentBytes(pid) - (warm[i] ?? 0)) / MIB);
    console.warn(
      `${REQUESTS} clients left; since ${WARM_UP} the proxies grew by ${grown.map((mib) => mib.toFixed(1)).join(' and ')} MiB`,
    );
    for (const mib of grown) expect(mib).toBeLessThan(25);
    const left = async (): Promise<readonly number[]> =>
      Promise.all(
        workloads.map(async ({ adminAddress }) =>
          Number(/^weft\.armed_timers: (\d+)/m.exec(await stats(adminAddress))?.[1]),
        ),
      );
    await waitFor(async () => (await left()).every((count) => count < 100), { timeoutMs: 60_000, what: 'timers' });
    await waitFor(() => pids.every((pid, i) => openSockets(pid) <= (sockets[i] ?? 0) + 60), {
      timeoutMs: 60_000,
      what: `sockets to be back near ${sockets.join(', ')}`,
    });
    expect((await http(echo)).status).toBe(200);
  }, 900_000);
});
