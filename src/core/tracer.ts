import type { Metadata, Mode, Release } from './backend.js';
import type { LeaseLostError } from './errors.js';

/**
 * Follows requests from the call to the end of the release. A port: events tell what happened, but only this one is asked in
 * the async context of the caller, may say something to whoever waits behind the hold, and runs the callback in a context of
 * its own.
 *
 * All methods are synchronous. What they throw is reported as a warning and harms no lock; after that the request goes on.
 */
export interface Tracer {
  /** A request has been made, in this async context. `undefined`: it is not followed. */
  follow(request: TracedRequest): RequestTrace | undefined;
}

/** What is known when a request has been made and found good. */
export interface TracedRequest {
  readonly method: 'request' | 'acquire';
  /** As the caller wrote it. */
  readonly name: string;
  readonly mode: Mode;
  readonly steal: boolean;
  readonly ttlMs: number;
  /** This process, as in events. */
  readonly node: string;
}

/** Notes of requests that this one came after, as `RequestTrace.note` made them: of a holder, or of the turn before in this process. */
export type Notes = readonly Metadata[];

/** A turn that begins. */
export interface TracedTurn {
  readonly fence: bigint;
  /** First fence of the grant: the same for all turns that it serves, and higher than that of every grant before. */
  readonly leaseGeneration: bigint;
  readonly waitedMs: number;
  /** Those it waited behind or took the lock from, as far as anyone said; empty if it did not wait. */
  readonly behind: Notes;
}

/** Why a request never had its turn. `busy`: it did not want to wait; `full`: too many of this process wait. */
export type NoTurn = 'aborted' | 'timed-out' | 'failed' | 'closed' | 'busy' | 'full';

export interface FailedRenewal {
  readonly error: unknown;
  /** How long ago the renewal was sent. */
  readonly tookMs: number;
  /** Time left until the deadline. */
  readonly remainingMs: number;
}

/** One request. Told in this order: `granted`, `run` or `handedOut`, `ended`, `releasing`, `over`; or one of `failed` and `notAvailable`. */
export interface RequestTrace {
  /** Goes into the metadata of the ask, where there is room: whoever waits behind the hold is given it back. Read once. */
  readonly note?: Metadata | undefined;
  /** It will not have a turn, and the caller is told so with `reason`. Nothing follows. */
  failed(because: NoTurn, reason: unknown, behind: Notes): void;
  /** `ifAvailable`, and it is not: `run` with `null` and `over` follow. */
  notAvailable(behind: Notes): void;
  granted(turn: TracedTurn): void;
  /** The lease of `acquire` goes to the caller. */
  handedOut(lease: object): void;
  /** Runs the callback of `request`, at once, and answers as it does. `lease`: what the callback receives. */
  run<T>(lease: object | null, work: () => T): T;
  /** One renewal had no clear answer; it is sent again. */
  renewalFailed(failure: FailedRenewal): void;
  /** The turn was lost. The work may still run: `over` follows when it has ended. */
  lost(error: LeaseLostError): void;
  /** The work has ended. Not told of a turn that was lost before. */
  ended(): void;
  /** The lock goes back to the store now; not told if it goes on to another turn of this process. */
  releasing(): void;
  /** The last that is heard. `outcome`: what the store found; absent if it was not asked. */
  over(outcome: Release | 'unknown' | undefined): void;
}
