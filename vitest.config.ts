import process from 'node:process';
import { defineConfig } from 'vitest/config';

/**
 * Four groups, one after the other, so that no test that measures time runs beside one that fills the processors. In
 * the first, time is simulated and two files run at once; the others have the machine to themselves, one file at a time.
 */
const groups = {
  stores: {
    include: ['conformance', 'sqlite', 'redis', 'redlock', 'zookeeper'].map((folder) => `test/${folder}/**/*.test.ts`),
    testTimeout: 60_000,
  },
  processes: { include: ['test/cli/**/*.test.ts', 'test/examples/**/*.test.ts'], testTimeout: 60_000 },
  heavy: {
    include: [
      'test/sim/*mutants.test.ts',
      'test/sim/*seeds.test.ts',
      'test/sim/quorum-explorer.test.ts',
      'test/bench/**/*.test.ts',
      'test/docs/snippets.test.ts',
    ],
    testTimeout: 300_000,
  },
};

const report = process.env['HOLDFAST_TEST_REPORT'];

export default defineConfig({
  test: {
    pool: 'forks',
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'library',
          include: ['test/**/*.test.ts'],
          exclude: Object.values(groups).flatMap(({ include }) => include),
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      ...Object.entries(groups).map(([name, group], index) => ({
        extends: true as const,
        test: { name, ...group, fileParallelism: false, sequence: { groupOrder: index + 1 } },
      })),
    ],
    coverage: { provider: 'v8', include: ['src/**'] },
  },
});
