import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyMutant, compile, hunt, type Verdict } from './gate.js';
import { mutants } from './mutants.js';

/** Seeds in which a bug must show itself. */
const budget = 1_000;

describe('the simulator finds', () => {
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
      const verdict = await hunt(mutant, compiled, budget);
      verdicts.push(verdict);
      expect(verdict.caught, `${mutant.name} was not found in ${budget} seeds`).toBeDefined();
    });
  }

  it('nothing in the code as it is', async () => {
    const verdict = await hunt({ name: 'none', why: 'the control', edits: [] }, compiled, budget);
    expect(verdict.caught).toBeUndefined();
  });
});

describe('a mutant whose text is not there', () => {
  it('is reported, not passed over', async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'holdfast-gate-'));
    try {
      await writeFile(path.join(folder, 'a.js'), 'one(); one();');
      const twice = { name: 'twice', why: '', edits: [{ file: 'a.js', find: 'one();', replace: '' }] };
      await expect(applyMutant(twice, folder)).rejects.toThrow('no longer applies: its text occurs 2 times');
      const never = { name: 'never', why: '', edits: [{ file: 'a.js', find: 'two();', replace: '' }] };
      await expect(applyMutant(never, folder)).rejects.toThrow('no longer applies: its text occurs 0 times');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
