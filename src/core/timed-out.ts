import { messageOf } from './calls.js';
import { BackendUnavailableError, type HoldfastError, OutcomeUnknownError, WaitTimeoutError } from './errors.js';

/**
 * Why a wait was over before its end: the store failed, said nothing at all, or somebody held the name.
 *
 * @param failure of the last call, if that failed
 * @param heardOf whether the store has answered since the wait began
 */
export function timeoutError(lock: string, waitMs: number, failure: unknown, heardOf: boolean): HoldfastError {
  if (failure !== undefined) {
    const message = `"${lock}" could not be asked for within ${waitMs} ms: ${messageOf(failure)}`;
    return new BackendUnavailableError(message, { lock, cause: failure });
  }
  if (!heardOf) {
    const message = `the store has not answered within ${waitMs} ms whether "${lock}" is free: check that it is reachable, or wait longer`;
    return new OutcomeUnknownError(message, { lock });
  }
  const message = `"${lock}" was not free within ${waitMs} ms: wait longer, or see who holds it with inspect()`;
  return new WaitTimeoutError(message, { lock });
}
