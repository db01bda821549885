import { performance } from 'node:perf_hooks';
import { hash } from '../../rng.js';
import { type Bounds, Model } from './model.js';

export interface Explored {
  readonly states: number;
  /** Worlds that were played to their end, each by another sequence of choices. */
  readonly runs: number;
  /** Choices that led to a state that was known. */
  readonly merged: number;
  readonly deepest: number;
  readonly complete: boolean;
  readonly tookMs: number;
  readonly found: { readonly violation: string; readonly choices: readonly string[] } | undefined;
}

/**
 * Makes every choice at every point, depth first. The code under test cannot be copied, so a branch is reached by making the
 * choices that lead to it again in a new model.
 */
export async function explore(bounds: Bounds, statesMax = Number.POSITIVE_INFINITY): Promise<Explored> {
  const startedMs = performance.now();
  const known = new Map<string, number>();
  const count = { runs: 0, merged: 0, deepest: 0 };
  const branches: (readonly string[])[] = [[]];
  let found: Explored['found'];
  while (found === undefined && known.size < statesMax) {
    const branch = branches.pop();
    if (branch === undefined) break;
    found = await follow(branch);
  }
  return { states: known.size, ...count, complete: branches.length === 0, tookMs: performance.now() - startedMs, found };

  /** Down to the first state that is known, or to the end; what was not chosen on the way is left for later. */
  async function follow(branch: readonly string[]): Promise<Explored['found']> {
    const model = new Model(bounds);
    const path = [...branch];
    await model.start();
    for (const choice of branch) await model.choose(choice);
    for (;;) {
      if (model.violation !== undefined) return { violation: model.violation, choices: path };
      const key = digest(model.key());
      if ((known.get(key) ?? Number.POSITIVE_INFINITY) <= model.turns) {
        count.merged += 1;
        return undefined;
      }
      known.set(key, model.turns);
      count.deepest = Math.max(count.deepest, path.length);
      const [first, ...others] = model.choices();
      if (first === undefined) break;
      for (const other of others) branches.push([...path, other]);
      path.push(first);
      await model.choose(first);
    }
    count.runs += 1;
    const healed = await model.heals();
    const violation = model.violation ?? (healed ? undefined : 'progress: somebody never gets the lock');
    return violation === undefined ? undefined : { violation, choices: path };
  }
}

/** Of 64 bits: among a million states, two share one by a chance of one in ten million. */
function digest(key: string): string {
  return `${hash(1, key, '', 0)}.${hash(2, '', key, 0)}`;
}
