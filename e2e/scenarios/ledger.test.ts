/**
 * Nothing that may do harm is run twice by the mesh's own retries, wherever a connection breaks.
 * More rounds: WEFT_LEDGER_ROUNDS=15 pnpm vitest run --project e2e e2e/scenarios/ledger.test.ts
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { http, keepAlive, type Answer } from '../harness/http.ts';
import { type CutLedger, cutPhase, PHASES, startCutLedger } from '../harness/ledger-cuts.ts';

const ROUNDS = Number(process.env['WEFT_LEDGER_ROUNDS'] ?? 1);
// Longer than what a sidecar makes of such a request, and than the answer.
const REQUEST_BYTES = 700;
const RESPONSE_BYTES = 100;
// Of the bytes that a relay cuts; `pnpm chaos cuts` meets each.
const STEP = 23;

let ledger: CutLedger;

beforeAll(async () => {
  ledger = await startCutLedger();
});
afterAll(() => ledger?.[Symbol.asyncDispose]());

interface Outcome {
  readonly id: string;
  /** undefined: the caller saw that it was cut. */
  readonly answer: Answer | undefined;
}

/** One call for each byte at which its connection to the application is cut. */
async function cutEverywhere(
  method: string,
  phase: 'request' | 'response',
  round: number,
): Promise<readonly Outcome[]> {
  const control = keepAlive(2);
  const agent = keepAlive(1);
  const outcomes: Outcome[] = [];
  const bytes = phase === 'request' ? REQUEST_BYTES : RESPONSE_BYTES;
  // Before the first byte of the answer is the worst place of all; a request has to begin to be one.
  for (let at = phase === 'request' ? 1 : 0; at <= bytes; at += 1) {
    const how = (at + round) % 2 === 0 ? 'closed' : 'reset';
    for (const app of ledger.apps)
      await http(`${app}/cut?phase=${phase}&at=${at}&how=${how}`, { method: 'PUT', agent: control });
    const id = `${method}-${phase}-${round}-${at}`;
    const answer = await http(`${ledger.url}/book/${id}`, {
      method,
      agent,
      ...(method === 'POST' ? { body: `{"amount":${at}}`, headers: { 'content-type': 'application/json' } } : {}),
    }).catch((error: Error) => {
      if (error.message !== 'aborted') throw error;
      return undefined;
    });
    outcomes.push({ id, answer });
  }
  control.destroy();
  agent.destroy();
  return outcomes;
}

describe('RE-03 default retries', () => {
  it.each(['request', 'response'] as const)(
    'RE-03 a POST whose connection is cut at any byte of its %s is booked at most once, and its outcome has a reason',
    async (phase) => {
      for (let round = 0; round < ROUNDS; round += 1) {
        const outcomes = await cutEverywhere('POST', phase, round);
        const booked = await ledger.books();
        const counts = outcomes.map(({ id }) => booked.get(id) ?? 0);
        expect(Math.max(...counts)).toBe(1);
        for (const { id, answer } of outcomes) {
          if (answer === undefined) expect([phase, booked.get(id)]).toEqual(['response', 1]);
          else if (answer.status === 200) expect([id, booked.get(id), answer.body]).toEqual([id, 1, id]);
          else expect(answer.headers['x-weft-reason']).toMatch(/^upstream-(closed|reset|response-cut|protocol-error)$/);
        }
        // Cuts did happen, and calls beyond the last byte did not suffer.
        expect(outcomes.some(({ answer }) => answer?.status === 503)).toBe(true);
        expect(outcomes.at(-1)?.answer?.status).toBe(200);
      }
    },
    200_000 * ROUNDS,
  );

  it('RE-03 a GET is run again instead, which is what a POST must not be', async () => {
    const outcomes = await cutEverywhere('GET', 'response', 0);
    const whole = outcomes.filter(({ answer }) => answer?.status === 200);
    const booked = await ledger.books();
    expect(whole.length).toBeGreaterThan(outcomes.length / 4);
    expect(Math.max(...outcomes.map(({ id }) => booked.get(id) ?? 0))).toBeGreaterThan(1);
  });

  it.each(PHASES)(
    'RE-03 cut at the $place (HTTP/2: $http2) on the way $way: no POST is booked twice, and who hears something hears all, or why not',
    async (phase) => {
      const { heard, wrong } = await cutPhase(ledger, phase, 'POST', STEP);
      expect(wrong).toEqual([]);
      // Cuts did happen, and did not happen behind the last byte.
      expect(heard.some(({ status, whole }) => status !== 200 || !whole)).toBe(true);
    },
  );
});
