import process from 'node:process';
import { defineConfig } from 'vitest/config';

/**
 * Groups, one after the other, so that no test that measures time runs beside one that fills the processors. Two files run at
 * once where most of the time is spent waiting for a store, and where time is simulated; elsewhere a file has the machine to itself.
 */
const groups = {
  stores: {
    include: ['conformance', 'sqlite', 'redis', 'redlock', 'postgres', 'etcd', 'zookeeper', 'consul', 'dynamodb'].map(
      (folder) => `test/${folder}/**/*.test.ts`,
    ),
    testTimeout: 60_000,
    fileParallelism: true,
    maxWorkers: 2,
  },
  processes: { include: ['test/cli/**/*.test.ts', 'test/examples/**/*.test.ts'], testTimeout: 60_000 },
  simulated: {
    include: ['test/sim/*mutants.test.ts', 'test/sim/*seeds.test.ts', 'test/sim/quorum-explorer.test.ts'],
    testTimeout: 600_000,
    fileParallelism: true,
    maxWorkers: 2,
  },
  heavy: { include: ['test/bench/**/*.test.ts', 'test/docs/snippets.test.ts'], testTimeout: 300_000 },
};

const report = process.env['HOLDFAST_TEST_REPORT'];
const json: [string, Record<string, unknown>][] = report === undefined ? [] : [['json', { outputFile: report }]];

export default defineConfig({
  test: {
    pool: 'forks',
    reporters: ['default', './test/support/not-run.ts', ...json],
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
        test: { name, fileParallelism: false, ...group, sequence: { groupOrder: index + 1 } },
      })),
    ],
    coverage: { provider: 'v8', include: ['src/**'] },
  },
});
