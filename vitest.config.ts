import process from 'node:process';
import { defineConfig } from 'vitest/config';

/**
 * Three groups, one after the other, so that no test that measures time runs beside one that fills the processors.
 * Within the first group two files run at once; the others have the machine to themselves.
 */
const patient = ['test/cli/**/*.test.ts', 'test/examples/**/*.test.ts'];
const heavy = ['test/sim/mutants.test.ts', 'test/bench/**/*.test.ts', 'test/docs/snippets.test.ts'];

const report = process.env['HOLDFAST_TEST_REPORT'];

export default defineConfig({
  test: {
    pool: 'forks',
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'library',
          include: ['test/**/*.test.ts'],
          exclude: [...patient, ...heavy],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: 'processes', include: patient, testTimeout: 60_000, fileParallelism: false, sequence: { groupOrder: 1 } },
      },
      {
        extends: true,
        test: { name: 'heavy', include: heavy, testTimeout: 300_000, fileParallelism: false, sequence: { groupOrder: 2 } },
      },
    ],
    coverage: { provider: 'v8', include: ['src/**'] },
  },
});
