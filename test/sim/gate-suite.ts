import { rm } from 'node:fs/promises';
import process from 'node:process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { compile, hunt, type Verdict } from './gate.js';
import type { Mutant } from './mutants.js';

/** Seeds in which a bug must show itself. */
const budget = 1_000;

/** Seeds without a bug. That many more hold is another test's; here it is shown that the hunt can come home empty-handed. */
const controls = 100;

/** Registers a case for each seeded bug, and one for the code as it is; prints the seeds at the end. */
export function everyMutantIsCaught(mutants: readonly Mutant[], ...worlds: string[]): void {
  let compiled = '';
  const verdicts: Verdict[] = [];

  beforeAll(async () => {
    compiled = await compile();
  });

  afterAll(async () => {
    if (compiled !== '') await rm(compiled, { recursive: true, force: true });
    const rows = verdicts.map(({ mutant, caught }) =>
      caught === undefined ? `${mutant}: survived` : `${mutant}: seed ${caught.seed}, ${caught.rules.join(', ')}`,
    );
    process.stdout.write(`${rows.join('\n')}\n`);
  });

  for (const mutant of mutants) {
    it(`${mutant.name}: ${mutant.why}`, async () => {
      const verdict = await hunt(mutant, compiled, budget, ...worlds);
      verdicts.push(verdict);
      expect(verdict.caught, `${mutant.name} was not found in ${budget} seeds`).toBeDefined();
    });
  }

  it('nothing in the code as it is', async () => {
    const verdict = await hunt({ name: 'none', why: 'the control', edits: [] }, compiled, controls, ...worlds);
    expect(verdict.caught).toBeUndefined();
  });
}
