import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

/** Tries until it no longer throws. */
export async function eventually<T>(attempt: () => Promise<T> | T, withinMs: number, everyMs = 20): Promise<T> {
  const endMs = performance.now() + withinMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() >= endMs) throw error;
    }
    await sleep(everyMs);
  }
}

/** Fails instead of waiting for ever. */
export async function within<T>(promise: Promise<T>, limitMs: number, what: string): Promise<T> {
  const done = new AbortController();
  const late = sleep(limitMs, undefined, { signal: done.signal }).then(() =>
    assert.fail(`${what} took longer than ${limitMs} ms`),
  );
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    done.abort();
  }
}
