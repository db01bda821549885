import type { FrozenRequest } from './decision.js';

/** What became of one record in one pass. */
export type Outcome =
  | {
      readonly type: 'resolved';
      readonly record: FrozenRequest;
      readonly verdict: 'completed' | 'failed' | 'retry';
      readonly disputed: boolean;
    }
  | { readonly type: 'unknown'; readonly record: FrozenRequest; readonly why: string | undefined; readonly version: string }
  | { readonly type: 'overtaken'; readonly recordKey: string; readonly record?: FrozenRequest }
  /** It runs under a lease, or may: then that is known when it has been seen unchanged for so much longer. */
  | { readonly type: 'running'; readonly lookAgainMs: number | undefined }
  /** None of the reconciler's business. */
  | { readonly type: 'settled' };

/** What a pass did. */
export interface PassSummary {
  readonly completed: number;
  readonly failed: number;
  readonly retried: number;
  /** They stay frozen, also those that were not asked about again yet. */
  readonly unknown: number;
  readonly overtaken: number;
  /** Tried in vain: see the event `failed`. */
  readonly notResolved: number;
  /** Of those that were resolved. */
  readonly disputed: number;
  readonly running: number;
  /** How long until a record whose age its store does not tell would have been seen unchanged for its whole lease; undefined if there is none. */
  readonly lookAgainMs: number | undefined;
  /** The term ended first: others do the rest. */
  readonly interrupted: boolean;
}
