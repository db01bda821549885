import { AsyncResource } from 'node:async_hooks';

/** Made while this file is loaded, hence in nobody's request. */
const root = new AsyncResource('Holdfast', { requireManualDestroy: true });

/**
 * Runs what serves everyone outside of the async context of the one who happened to cause it. A timer or a promise keeps
 * the context in which it was made: with it all that the caller's `AsyncLocalStorage`s hold, for as long as it lasts.
 */
export function detached<T>(work: () => T): T {
  return root.runInAsyncScope(work);
}
