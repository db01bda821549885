import { spawn } from 'node:child_process';
import { once } from 'node:events';
import os from 'node:os';
import process from 'node:process';
import nodeTest from 'node:test';
import { afterAll, describe, expect, it } from 'vitest';
import { memory } from '../../src/backends/memory/index.js';
import { OutcomeUnknownError } from '../../src/core/errors.js';
import { conformanceCaseIds, conformanceCases, type Fixture, type Runner, runConformance } from '../../src/testkit/index.js';
import { wereBusy } from '../../src/testkit/conformance/processors.js';
import { wrapped } from '../../src/testkit/conformance/wrappers.js';
import { recordsOf } from '../support/asks.js';
import { mutants } from './mutants.js';

const fixture: Fixture = { name: 'memory', open: () => memory() };

/** Runners that fit without an adapter; a change that breaks one of them does not compile. */
const fitting = [
  { describe, it, after: afterAll, concurrently: describe.concurrent },
  { describe: nodeTest.describe, it: nodeTest.it, after: nodeTest.after },
] satisfies Runner[];

function failureOf(id: string, broken: Fixture): Promise<unknown> {
  const found = conformanceCases(broken).find((one) => one.id === id);
  if (found === undefined) throw new Error(`no case is called ${id}`);
  return found.run().then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** One more process than there are processors, and none of them waits. */
async function keepProcessorsBusy(forMs: number): Promise<void> {
  const script = `for (const endMs = performance.now() + ${forMs}; performance.now() < endMs; );`;
  const burners = Array.from({ length: os.cpus().length + 1 }, () => spawn(process.execPath, ['-e', script]));
  await Promise.all(burners.map((burner) => once(burner, 'exit')));
}

/** Registers without running. */
function register(chosen: Fixture): { titles: string[]; skipped: string[] } {
  const titles: string[] = [];
  const skipped: string[] = [];
  const describeNow = (_: string, body: () => void) => body();
  const note = (title: string, options: { skip: boolean }) => void (options.skip ? skipped : titles).push(title);
  runConformance({ describe: describeNow, it: note, after: () => {} }, chosen);
  return { titles, skipped };
}

describe.concurrent('a defect is found', () => {
  for (const { defect, foundBy, fixture: broken } of mutants) {
    for (const id of foundBy) {
      it(`${defect}: ${id}`, { timeout: 30_000 }, async ({ expect: check }) => {
        check(await failureOf(id, broken), 'the case must fail').toBeInstanceOf(Error);
      });
    }
  }
});

describe('the suite', () => {
  const troubles: Record<string, () => Promise<Error>> = {
    'the process stood still': async () => {
      for (const endMs = performance.now() + 300; performance.now() < endMs; );
      return new Error('no answer in time');
    },
    'the store gave no answer while no processor was idle': async () => {
      await keepProcessorsBusy(1_500);
      return new Error('wrapped', { cause: new OutcomeUnknownError('no answer in time') });
    },
  };

  it.each(Object.entries(troubles))('leaves nothing of a case that it repeats because %s', async (_why, trouble) => {
    const store = memory();
    let releases = 0;
    const failOnce = async (call: typeof store.release, held: Parameters<typeof store.release>[0]) => {
      releases += 1;
      if (releases > 1) return call(held);
      throw await trouble();
    };
    const shared: Fixture = { name: 'one', open: () => ({ ...wrapped(store, { release: failOnce }), close: async () => {} }) };
    expect(await failureOf('renew/thousand-at-once-in-order', shared)).toBeUndefined();
    expect(await recordsOf(store, '')).toEqual([]);
  });

  it('takes processors for busy only where next to nothing of their time was idle', () => {
    const before = { idleMs: 1_000, allMs: 5_000 };
    expect(wereBusy(before, { idleMs: 1_010, allMs: 5_400 })).toBe(true);
    expect(wereBusy(before, { idleMs: 1_100, allMs: 5_400 })).toBe(false);
    expect(wereBusy(before, before)).toBe(false);
  });

  it('does not repeat what an answer has proven', async () => {
    const store = memory();
    let releases = 0;
    const failOnce = async (call: typeof store.release, held: Parameters<typeof store.release>[0]) => {
      releases += 1;
      return releases > 1 ? call(held) : 'not-owner';
    };
    const shared: Fixture = { name: 'one', open: () => ({ ...wrapped(store, { release: failOnce }), close: async () => {} }) };
    expect(await failureOf('release/released-once-then-absent', shared)).toBeInstanceOf(Error);
  });

  it('fits vitest and node:test', () => {
    expect(fitting).toHaveLength(2);
  });

  it('has ids that are unique and carry their topic', () => {
    expect(new Set(conformanceCaseIds).size).toBe(conformanceCaseIds.length);
    for (const id of conformanceCaseIds) expect(id).toMatch(/^[a-z]+\/[a-z-]+$/);
  });

  it('registers every case once', () => {
    const { titles, skipped } = register({ ...fixture, forgetEverything: () => {} });
    expect(titles.toSorted()).toEqual([...conformanceCaseIds].sort());
    expect(skipped).toEqual([]);
  });

  it('shows a skip with its reason', () => {
    const { titles, skipped } = register({ ...fixture, skip: [{ reason: 'no bell', cases: ['watch/wakes-on-release'] }] });
    expect(titles).not.toContain('watch/wakes-on-release');
    expect(skipped).toContain('watch/wakes-on-release (skipped: no bell)');
  });

  it('skips what the fixture cannot do', () => {
    expect(register(fixture).skipped).toEqual([
      'fences/rise-although-the-store-forgot-everything (skipped: the fixture has no forgetEverything())',
    ]);
  });

  it('refuses a skip that names no case', () => {
    expect(() => register({ ...fixture, skip: [{ reason: 'why not', cases: ['release/nonsense'] }] })).toThrow(
      /release\/nonsense/,
    );
  });

  it('refuses a skip without a reason', () => {
    expect(() => register({ ...fixture, skip: [{ reason: ' ', cases: ['watch/wakes-on-release'] }] })).toThrow(/reason/);
  });

  it('refuses a fixture that could not be closed', () => {
    const runner = { describe: () => {}, it: () => {} };
    expect(() => runConformance(runner, { ...fixture, close: () => {} })).toThrow(/after/);
  });

  it('says why a case does not apply to a store', async () => {
    const unable = conformanceCases(fixture).find((one) => one.id === 'shared/unsupported-mode-is-refused');
    expect(await unable?.run()).toBe('the store has a shared mode');
  });
});
