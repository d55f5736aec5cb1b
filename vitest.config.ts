import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'apps/*/src/**/*.test.ts'],
          testTimeout: 20_000,
          // What is polled is there at once, unless the machine is busy with other files.
          expect: { poll: { timeout: 10_000 } },
        },
      },
      {
        // Real processes and sockets: one file at a time, since two cores are shared with the meshes under test.
        test: {
          name: 'e2e',
          include: ['e2e/**/*.test.ts'],
          env: { WEFT_INTERCEPTION: process.env['WEFT_TEST_INTERCEPTION'] ?? 'loopback' },
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        // Long: `pnpm chaos` runs it, the tests do not.
        test: {
          name: 'chaos',
          env: { WEFT_INTERCEPTION: process.env['WEFT_TEST_INTERCEPTION'] ?? 'loopback' },
          include: ['e2e/chaos/**/*.chaos.ts'],
          testTimeout: 600_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
