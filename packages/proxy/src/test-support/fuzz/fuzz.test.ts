// A moment of each target, always the same inputs; `pnpm fuzz` goes on for as long as it is told to.
import { describe, expect, it } from 'vitest';
import { readCorpus } from './corpus.ts';
import { fuzz } from './engine.ts';
import { TARGETS } from './targets/index.ts';

const INPUTS = 3000;
const MAX_SECONDS = 1;

describe.each([...TARGETS].filter(([, { risky }]) => risky !== true))(
  '%s under fuzzing',
  (name, { create, corpus }) => {
    it('holds for the kept corpus, and for what is made of it', async () => {
      const target = create();
      const kept = readCorpus(corpus ?? name);
      expect(kept.length).toBeGreaterThan(0);
      const options = { seed: 1, now: () => performance.now() };
      const whole = await fuzz(target, kept, { ...options, inputs: kept.length, seconds: Infinity });
      const made = await fuzz(target, kept, { ...options, inputs: INPUTS, seconds: MAX_SECONDS });
      target.close?.();
      for (const { failure } of [whole, made]) {
        if (failure !== undefined)
          throw new Error(`pnpm fuzz ${name} --input ${failure.input.toString('hex')}`, { cause: failure.error });
      }
      expect(whole.inputs).toBe(kept.length);
    });
  },
);
