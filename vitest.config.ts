import { defineConfig } from 'vitest/config';
import { checkThisMachine } from './packages/local/src/isolated/isolation-check.ts';

/** Scenarios that run a second time where each workload is in a network namespace of its own. */
const IN_BOTH_FORMS = ['bookinfo', 'failures', 'lifecycle', 'routing'].map((name) => `e2e/scenarios/${name}.test.ts`);
const NO_ISOLATION = 'e2e/harness/no-isolation.test.ts';
const isolation = checkThisMachine(process.env);

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'apps/*/src/**/*.test.ts'],
          testTimeout: 20_000,
          maxWorkers: 2,
          // What is polled is there at once, unless the machine is busy with other files.
          expect: { poll: { timeout: 10_000 } },
        },
      },
      {
        // Real processes and sockets, each file with a mesh of its own. Half of the time they wait, so that two cores carry three.
        test: {
          name: 'e2e',
          include: ['e2e/**/*.test.ts'],
          exclude: ['**/node_modules/**', NO_ISOLATION],
          env: { WEFT_INTERCEPTION: process.env['WEFT_TEST_INTERCEPTION'] ?? 'loopback' },
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'e2e-isolated',
          // Where it is impossible, one test says why.
          include: isolation.possible ? IN_BOTH_FORMS : [NO_ISOLATION],
          env: {
            WEFT_INTERCEPTION: 'isolated',
            ...(isolation.possible ? {} : { WEFT_TEST_MISSING: isolation.missing }),
          },
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
      {
        // Long: `pnpm chaos` runs it, the tests do not.
        test: {
          name: 'chaos',
          env: { WEFT_INTERCEPTION: process.env['WEFT_TEST_INTERCEPTION'] ?? 'loopback' },
          include: ['e2e/chaos/**/*.chaos.ts', 'packages/*/src/**/*.chaos.ts'],
          testTimeout: 600_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
