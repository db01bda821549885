import { setTimeout as sleep } from 'node:timers/promises';
import type { Holdfast } from '../../src/core/holdfast.js';

/** Waits until something is so. */
export async function until(isSo: () => boolean | Promise<boolean>, what: string, withinMs = 10_000): Promise<void> {
  for (const endMs = performance.now() + withinMs; !(await isSo()); await sleep(5)) {
    if (performance.now() > endMs) throw new Error(`not within ${withinMs} ms: ${what}`);
  }
}

/** What was thrown; fails if nothing was. */
export async function thrownBy(work: Promise<unknown> | (() => unknown)): Promise<unknown> {
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

/** Resolves when a loss is signalled; what it was, and how long after the call. */
export async function lossOf(locks: Holdfast, withinMs = 20_000): Promise<{ readonly loss: string; readonly afterMs: number }> {
  const sinceMs = performance.now();
  let loss = '';
  let afterMs = 0;
  const stop = locks.on('lost', (event) => {
    loss = event.loss;
    afterMs = performance.now() - sinceMs;
  });
  await until(() => loss !== '', 'the loss is signalled', withinMs);
  stop();
  return { loss, afterMs };
}
