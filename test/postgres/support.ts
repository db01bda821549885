import { setTimeout as sleep } from 'node:timers/promises';

export { ask, heldOf, recordsOf } from '../support/asks.js';

/** What was thrown; fails if nothing was. */
export async function thrownBy(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

/** Waits until something is so. */
export async function until(isSo: () => boolean | Promise<boolean>, what: string, withinMs = 10_000): Promise<void> {
  for (const endMs = performance.now() + withinMs; !(await isSo()); await sleep(5)) {
    if (performance.now() > endMs) throw new Error(`not within ${withinMs} ms: ${what}`);
  }
}
