import { rm } from 'node:fs/promises';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Explored } from '../../src/testkit/sim/quorum/explore/explore.js';
import { sweeps } from '../../src/testkit/sim/quorum/explore/sweeps.js';
import { compile, runMutant } from './gate.js';
import type { Mutant } from './mutants.js';
import { quorumMutants } from './quorum-mutants.js';

describe('every order of events in a small world', () => {
  let compiled = '';
  beforeAll(async () => {
    compiled = await compile();
  });
  afterAll(async () => {
    if (compiled !== '') await rm(compiled, { recursive: true, force: true });
  });

  async function explore(mutant: Mutant): Promise<readonly Explored[]> {
    const out = await runMutant(mutant, compiled, '--explore', '--json');
    return out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Explored);
  }

  it('breaks no promise, and comes to its end', async () => {
    const explored = await explore({ name: 'none', why: 'the control', edits: [] });
    for (const { states, runs, tookMs } of explored) process.stdout.write(`${states} states, ${runs} runs, ${tookMs} ms\n`);
    expect(explored).toHaveLength(Object.keys(sweeps).length);
    for (const { found, complete } of explored) expect({ found, complete }).toEqual({ found: undefined, complete: true });
  });

  for (const [name, violation] of [
    ['no-write-back', /^fences/],
    ['amnesiac-votes', /^exclusion/],
  ] as const) {
    it(`shows ${name}`, async () => {
      const mutant = quorumMutants.find((it) => it.name === name) as Mutant;
      expect((await explore(mutant)).at(-1)?.found?.violation).toMatch(violation);
    });
  }
});
