import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { root, Scene } from '../cli/support/program.js';
import { drillProcesses } from './support/workers.js';

const module = path.join(root, 'test', 'drill', 'support', 'broken.mjs');

interface Row {
  readonly fault: string;
  readonly promise: string;
  readonly page: string;
  readonly held: boolean;
}

describe('a store with a defect', () => {
  const scene = new Scene();

  async function drilled(defect: string, only: string) {
    const env = { DRILL_DEFECT: defect, DRILL_FILE: scene.file('locks.db') };
    const args = ['drill', '--module', module, '--ttl', '500ms', '--only', only];
    const json = await scene.outcome([...args, '--json'], { env });
    const broken: readonly Row[] = JSON.parse(json.stdout).rows.filter(({ held }: Row) => !held);
    return { status: json.status, broken: broken.map(({ fault, promise }) => `${fault}: ${promise}`), rows: broken };
  }

  it.each([
    ['fences go back', 'contention', 'contention: fences'],
    ['a release frees whoever holds it', 'freeze', 'freeze: stale'],
    ['a renewal takes the name back', 'revoke', 'revoke: stale'],
    ['everybody is granted', 'contention', 'contention: exclusion'],
    ['leases end before their time', 'block', 'block: owed'],
    ['nobody is let go', 'freeze', 'freeze: replaced'],
    ['a release frees nobody', 'crash', 'crash: freed'],
    ['a free name forgets its fences', 'crash', 'crash: fences'],
    ['one is served when nobody else asks', 'contention', 'contention: turns'],
  ])('%s: the drill of %s fails, and names the promise', async (defect, only, named) => {
    const { status, broken, rows } = await drilled(defect, only);
    expect(broken).toContain(named);
    expect(status).toBe(1);
    for (const { page } of rows) expect(page).toMatch(/^docs\/guarantees\.md#[a-z-]+$/);
    expect(drillProcesses(scene)).toEqual([]);
  });

  it('the same without a defect passes, so that it is the defect which is found', async () => {
    expect(await drilled('none', 'freeze,revoke,block,contention')).toEqual({ status: 0, broken: [], rows: [] });
  });

  it('for people: a sentence for each promise that did not hold, with its place', async () => {
    const env = { DRILL_DEFECT: 'everybody is granted', DRILL_FILE: scene.file('locks.db') };
    const args = ['drill', '--module', module, '--ttl', '500ms', '--only', 'crash'];
    const { status, stdout } = await scene.outcome(args, { env });
    expect(status).toBe(1);
    expect(stdout).toMatch(/^BROKEN {3}crash: one holder at a time: two at once.*\(docs\/guarantees\.md#exclusion-of-belief\)$/m);
  });
});
