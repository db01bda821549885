import type { Ports } from './clock.js';
import { BackendUnavailableError, HoldfastError, OutcomeUnknownError } from './errors.js';
import { limits } from './limits.js';

/**
 * Waits for a call to the store, but not beyond its deadline, whatever the client library does (invariant 11).
 * An answer that comes later is ignored.
 *
 * @throws OutcomeUnknownError after `timeoutMs`; otherwise what the call throws
 */
export function withDeadline<T>(ports: Ports, timeoutMs: number, what: string, call: () => Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = ports.timer(timeoutMs, () => {
      reject(
        new OutcomeUnknownError(`${what} got no answer within ${Math.round(timeoutMs)} ms: check that the store is reachable`),
      );
    });
    const failed = (error: unknown) => {
      timer.cancel();
      reject(error);
    };
    try {
      call().then((value) => {
        timer.cancel();
        resolve(value);
      }, failed);
    } catch (error) {
      // A backend that throws instead of rejecting is treated alike.
      failed(error);
    }
  });
}

/** No single call may use up more than a share of the TTL that depends on it. */
export function callTimeoutMs(configuredMs: number, ttlMs: number, ratioMax: number = limits.callTimeoutTtlRatioMax): number {
  return Math.max(limits.callTimeoutMsMin, Math.min(configuredMs, ttlMs * ratioMax));
}

/** Whether asking again is pointless. Anything that a client library throws may pass by itself. */
export function isPermanent(error: unknown): boolean {
  return error instanceof HoldfastError && error.permanent;
}

/** What a client library throws becomes one of our errors. `doing`: what failed, e.g. `listing`. */
export function asHoldfastError(error: unknown, doing: string, lock?: string): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const details = { cause: error, ...(lock === undefined ? {} : { lock }) };
  return new BackendUnavailableError(`the store failed while ${doing}: ${messageOf(error)}`, details);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
