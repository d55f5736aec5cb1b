/** A hundred thousand requests that are cut off, by everybody and everywhere: memory, timers and sockets stay. */
import { request } from 'node:http';
import { waitFor } from '@weft/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { http, keepAlive } from '../harness/http.ts';
import { type CutLedger, startCutLedger } from '../harness/ledger-cuts.ts';
import { HTTP1_POST, HTTP2_POST, leaveAt, streamBreaker } from '../harness/leavers.ts';
import { counterSum, stats } from '../harness/metrics.ts';
import { MIB, openSockets, residentBytes } from '../harness/process-memory.ts';
import { startEcho } from '../harness/programs.ts';

const REQUESTS = 100_000;
const WARM_UP = 20_000;
const AT_ONCE = 48;
const PROXIES = ['client', 'echo', 'ledger-a', 'ledger-b'];
const GROWTH_MIB = 25;
// As many as are kept for the next request.
const KEPT = 60;
// An answer of this size, and its head.
const READS = 400;
const LEDGER_ANSWER = 90;
// A record or more of TLS, there and back.
const BETWEEN_BYTES = 900;
const BETWEEN_EVERY = 4;

const ignore = (): void => {};

describe('RE-10 requests that are cut off', () => {
  let ledger: CutLedger;
  let echo: string;
  beforeAll(async () => {
    ledger = await startCutLedger(['--access-log', 'off', '--trace-sampling', '1']);
    await startEcho(ledger.mesh, { service: 'echo', version: 'v1', name: 'echo' });
    await ledger.mesh.synced();
    echo = await ledger.mesh.outbound('client', 'echo', 8000);
  });
  afterAll(() => ledger?.[Symbol.asyncDispose]());

  it(`RE-10 ${REQUESTS} of them, by clients, applications and between sidecars: nothing stays`, async () => {
    const { mesh, url, between } = ledger;
    const workloads = await Promise.all(PROXIES.map((name) => mesh.workload(name)));
    const pids = workloads.map(({ processes }) => processes?.proxy ?? 0);
    const agent = keepAlive(AT_ONCE);
    const breakers = Array.from({ length: 4 }, () => streamBreaker(echo, 'echo'));
    const how = (index: number): 'reset' | 'closed' => (index % 2 === 0 ? 'closed' : 'reset');
    const method = (index: number): string => (index % 3 === 0 ? 'GET' : 'POST');
    const leave = (index: number, message: Buffer): Promise<void> => {
      const place = index % (message.length + READS);
      // Inside the request, and behind it inside the answer.
      return leaveAt(echo, message, Math.min(place, message.length), Math.max(1, place - message.length), how(index));
    };
    const kinds: readonly ((index: number) => Promise<unknown>)[] = [
      (index) => leave(index, HTTP1_POST),
      (index) => leave(index, HTTP2_POST),
      async (index) => breakers[index % breakers.length]?.breakOne(index),
      (index) =>
        http(`${url}/book/one?cut=${index % LEDGER_ANSWER}&how=${how(index)}`, { agent, method: method(index) }).catch(ignore),
      (index) => {
        if (index % BETWEEN_EVERY === 0)
          between.relay.cutNext({
            way: how(index + index / BETWEEN_EVERY) === 'reset' ? 'there' : 'back',
            after: (index * 7) % BETWEEN_BYTES,
            how: how(index / BETWEEN_EVERY),
            present: true,
          });
        return call(between.url, between.host, method(index));
      },
    ]; // prettier-ignore
    expect((await http(echo)).status).toBe(200);
    const sockets = pids.map(openSockets);
    let next = 0;
    const until = async (end: number): Promise<void> => {
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          while (next < end) {
            const index = next;
            next += 1;
            // Each kind meets all of its places.
            await kinds[index % kinds.length]?.(Math.floor(index / kinds.length));
          }
        }),
      );
    };
    await until(WARM_UP);
    const warm = pids.map(residentBytes);
    await until(REQUESTS);
    agent.destroy();
    for (const one of breakers) one.close();
    const grown = pids.map((pid, i) => (residentBytes(pid) - (warm[i] ?? 0)) / MIB);
    const grew = PROXIES.map((name, i) => `${name} ${grown[i]?.toFixed(1)}`).join(', ');
    console.warn(`${REQUESTS} requests were cut off; since ${WARM_UP} the proxies grew by, in MiB: ${grew}`);
    for (const mib of grown) expect(mib).toBeLessThan(GROWTH_MIB);
    const left = async (adminAddress: string): Promise<readonly number[]> => {
      const page = await stats(adminAddress);
      const sum = (pattern: RegExp): number => counterSum(page, pattern);
      return [/^weft\.active_requests: /, /\.upstream_rq_active: /, /\.upstream_rq_pending_active: /].map(sum);
    };
    await waitFor(
      async () => {
        const all = await Promise.all(workloads.map(({ adminAddress }) => left(adminAddress)));
        return all.flat().every((count) => count === 0);
      },
      { timeoutMs: 60_000, what: 'no request to be left' },
    );
    await waitFor(
      async () => {
        const pages = await Promise.all(workloads.map(({ adminAddress }) => stats(adminAddress)));
        return pages.every((page) => counterSum(page, /^weft\.armed_timers: /) < 100);
      },
      { timeoutMs: 60_000, what: 'timers' },
    );
    await waitFor(() => pids.every((pid, i) => openSockets(pid) <= (sockets[i] ?? 0) + KEPT), {
      timeoutMs: 60_000,
      what: `sockets to be back near ${sockets.join(', ')}`,
    });
    expect((await http(echo)).status).toBe(200);
    expect((await http(`${url}/book/last`)).body).toBe('last');
  }, 1_400_000);
});

/** On a connection of its own; whatever comes of it. */
function call(url: string, host: string, method: string): Promise<void> {
  return new Promise((resolve) => {
    const asked = request(`${url}/book/one`, { method, agent: false, headers: { host } }, (response) => {
      response.resume();
      response.on('error', ignore);
      response.on('close', resolve);
    });
    asked.on('error', () => resolve());
    asked.end();
  });
}
