import type { Mode, Release } from './backend.js';

/** What a callback receives: the `Lock` of the Web Locks API, and more. */
export interface Lease {
  readonly name: string;
  readonly mode: Mode;
  /**
   * The fencing token: larger than every fence given out for this name before. Hand it to whatever the work writes to.
   *
   * Reading it reads the clock first, so code that resumes after a pause cannot pick up a fence it no longer has.
   * @throws LeaseLostError if the lease is over; ClosedError if it was released
   */
  readonly fence: bigint;
  /** Aborted, with a `LeaseLostError` as its reason, no later than the lease's deadline. Reading it reads the clock first. */
  readonly signal: AbortSignal;
  /** Time left until the local deadline if no further renewal succeeds; 0 when the lease is over. */
  readonly remainingMs: number;
  readonly ttlMs: number;
  /** Epoch milliseconds by this process's wall clock, for people. */
  readonly acquiredAt: number;
  /** @throws LeaseLostError if the lease is over; ClosedError if it was released */
  assertHeld(): void;
}

export type ReleaseOutcome = Release | 'unknown';

/** A lease taken by `acquire`: it lasts until it is released. */
export interface HeldLease extends Lease, AsyncDisposable {
  /**
   * Gives the lock back. Releasing a lost lease is a result, never a throw; a second call answers like the first.
   * `unknown`: the store did not answer; it is tried again in the background until the TTL is over.
   */
  release(): Promise<ReleaseOutcome>;
}
