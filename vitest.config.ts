import process from 'node:process';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.js';

/**
 * Groups, one after the other, so that no test that measures time runs beside one that fills the processors. Two or three files run
 * at once where most of the time is spent waiting, and where time is simulated; elsewhere a file has the machine to itself.
 */
const onStores = { testTimeout: 60_000, fileParallelism: true, maxWorkers: 2 };

/** They start processes, too, but say how soon something has to happen, or start more than a small machine has room for. */
const alone = [
  ...['crowd', 'killed', 'killed-while-starting', 'killed-without-server', 'stopped', 'store-away'].map(
    (name) => `cli/acceptance/${name}`,
  ),
  ...['drill/broken', 'drill/stores'],
].map((name) => `test/${name}.test.ts`);

const groups = {
  conformance: { include: [filesIn('conformance')], ...onStores, maxWorkers: 3 },
  stores: {
    include: ['sqlite', 'redis', 'redlock', 'postgres', 'etcd', 'zookeeper', 'consul', 'dynamodb'].map(filesIn),
    ...onStores,
  },
  features: {
    include: ['guards', 'idempotency', 'election', 'reconciliation', 'outbox', 'telemetry', 'doctor'].map(filesIn),
    ...onStores,
    maxWorkers: 3,
  },
  commands: { include: ['cli', 'drill', 'examples'].map(filesIn), exclude: alone, ...onStores },
  processes: { include: alone, testTimeout: 60_000 },
  simulated: {
    include: ['test/sim/*mutants.test.ts', 'test/sim/*seeds.test.ts', 'test/sim/quorum-explorer.test.ts'],
    testTimeout: 600_000,
    fileParallelism: true,
    maxWorkers: 2,
  },
  heavy: { include: ['test/bench/**/*.test.ts', 'test/docs/snippets.test.ts'], testTimeout: 300_000 },
};

function filesIn(folder: string): string {
  return `test/${folder}/**/*.test.ts`;
}

const report = process.env['HOLDFAST_TEST_REPORT'];
const json: [string, Record<string, unknown>][] = report === undefined ? [] : [['json', { outputFile: report }]];

export default defineConfig({
  test: {
    pool: 'forks',
    reporters: ['default', './test/support/not-run.ts', ...json],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // As long as `until` waits: a second is nothing on a machine that is busy.
    expect: { poll: { timeout: 10_000 } },
    sequence: { sequencer: LongestFirst },
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
