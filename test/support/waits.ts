import { setInterval } from 'node:timers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Holdfast } from '../../src/core/holdfast.js';

const tickMs = 10;
/** Less is what timers differ by. */
const lateMsMin = 5;
let tickedAtMs = performance.now();
let stoodMs = 0;
setInterval(() => {
  stoodMs += lateMs();
  tickedAtMs = performance.now();
}, tickMs).unref();

/** How long this process has stood still since the last tick. */
function lateMs(): number {
  const ms = performance.now() - tickedAtMs - tickMs;
  return ms > lateMsMin ? ms : 0;
}

/**
 * A clock that stands still while this process does, for what says how soon something has to happen: a machine that stops for a second
 * is not a library that is a second late.
 */
export function awakeMs(): number {
  return performance.now() - stoodMs - lateMs();
}

/** Waits until something is so: not beyond that time, in which this process stands still for none of it. */
export async function until(isSo: () => boolean | Promise<boolean>, what: string, withinMs = 10_000): Promise<void> {
  for (const endMs = awakeMs() + withinMs; !(await isSo()); await sleep(5)) {
    if (awakeMs() > endMs) throw new Error(`not within ${withinMs} ms: ${what}`);
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

/** Resolves when a loss is signalled; what it was, and how long after the call, by a clock that stands still while this process does. */
export async function lossOf(locks: Holdfast, withinMs = 20_000): Promise<{ readonly loss: string; readonly afterMs: number }> {
  const sinceMs = awakeMs();
  let loss = '';
  let afterMs = 0;
  const stop = locks.on('lost', (event) => {
    loss = event.loss;
    afterMs = awakeMs() - sinceMs;
  });
  await until(() => loss !== '', 'the loss is signalled', withinMs);
  stop();
  return { loss, afterMs };
}
