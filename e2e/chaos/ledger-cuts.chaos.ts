/** Every byte of an exchange in front of a sidecar, and between two (its own command: pnpm chaos cuts). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CutLedger, cutPhase, PHASES, startCutLedger } from '../harness/ledger-cuts.ts';

describe('RE-03 a ledger whose callers, or sidecars, are cut off', () => {
  let ledger: CutLedger;
  beforeAll(async () => {
    ledger = await startCutLedger(['--access-log', 'off']);
  });
  afterAll(() => ledger?.[Symbol.asyncDispose]());

  it.each(PHASES.flatMap((phase) => (['POST', 'GET'] as const).map((method) => ({ ...phase, method }))))(
    'RE-03 $method at the $place (HTTP/2: $http2), every byte on the way $way',
    async ({ method, ...phase }) => {
      const { heard, wrong } = await cutPhase(ledger, phase, method, 1);
      const whole = heard.filter((one) => one.whole && one.status === 200).length;
      console.warn(`${method} ${JSON.stringify(phase)}: ${heard.length} cut, ${whole} answered all the same`);
      expect(wrong).toEqual([]);
    },
  );
});
