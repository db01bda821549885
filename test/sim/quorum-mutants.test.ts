import { rm } from 'node:fs/promises';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compile, hunt, type Verdict } from './gate.js';
import { quorumMutants } from './quorum-mutants.js';

/** Seeds in which a bug must show itself. */
const budget = 1_000;

describe('worlds of several nodes find', () => {
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

  for (const mutant of quorumMutants) {
    it(`${mutant.name}: ${mutant.why}`, async () => {
      const verdict = await hunt(mutant, compiled, budget, '--quorum');
      verdicts.push(verdict);
      expect(verdict.caught, `${mutant.name} was not found in ${budget} seeds`).toBeDefined();
    });
  }
});
