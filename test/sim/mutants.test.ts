import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { applyMutant } from './gate.js';
import { everyMutantIsCaught } from './gate-suite.js';
import { mutants } from './mutants.js';

describe('the simulator finds', () => {
  everyMutantIsCaught(mutants);
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
