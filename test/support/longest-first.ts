import path from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Those that are longer than the rest of their group by far, longest first. */
const longest = [
  'redis/sentinel',
  'postgres/faults/network',
  'idempotency/stores',
  'doctor/healthy',
  'examples/payments',
  'sim/quorum-explorer',
  'sim/mutants',
  'sim/quorum-mutants',
];

/**
 * A long file that began last would run on alone, beside idle processors. vitest knows how long each took where it ran before; a
 * fresh clone has only sizes to go by.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.sort((a, b) => rank(a) - rank(b));
  }
}

/** Sorting is stable: files without a place keep their order. */
function rank({ moduleId, project }: TestSpecification): number {
  const name = path.relative(path.join(project.config.root, 'test'), moduleId).replace(/\.test\.ts$/, '');
  const place = longest.indexOf(name);
  return place === -1 ? longest.length : place;
}
