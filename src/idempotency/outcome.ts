import type { FrozenBecause } from './record.js';
import type { NotKeptBecause } from './values.js';

/** What became of a request. Expected outcomes are returned; what the store or the handler throws is thrown. */
export type RunOutcome<T, F = unknown> =
  | Executed<T, F>
  | Replayed<T, F>
  | Running
  | FrozenOutcome
  | { readonly outcome: 'mismatch'; readonly recordKey: string }
  | Full;

/** The answer, which is either of the two. */
export type Answer<T, F> =
  | { readonly state: 'completed'; readonly value: T }
  /** The handler threw `FinalFailure`: an answer like any other, e.g. a card that was declined. */
  | { readonly state: 'failed'; readonly value: F };

/** The handler ran here, now, and its outcome is in the store. */
export type Executed<T, F = unknown> = { readonly outcome: 'executed' } & About & Answer<T, F>;

/** It ran before. The handler was not called. */
export type Replayed<T, F = unknown> =
  | ({ readonly outcome: 'replayed'; readonly kept: true } & About & Answer<T, F>)
  /** It ran, but its answer was too large to be kept, or neither JSON nor bytes. */
  | ({
      readonly outcome: 'replayed';
      readonly kept: false;
      readonly state: 'completed' | 'failed';
      readonly because: NotKeptBecause;
    } & About);

/** It is running elsewhere. */
export interface Running extends About {
  readonly outcome: 'running';
  /** When the running one's lease will have ended if it is dead; more if it is renewed. */
  readonly retryAfterMs: number;
}

/** Nobody knows what was done, and asking again does not help: it is for reconciliation. The handler is not called. */
export interface FrozenOutcome extends About {
  readonly outcome: 'frozen';
  readonly because: FrozenBecause;
  /** What the handler threw, if it ran here, just now. */
  readonly error?: unknown;
}

/** There is no room for another request. Nothing was written. */
export interface Full {
  readonly outcome: 'full';
  /** `process`: as many run here as may. `store`: it takes no more data. */
  readonly where: 'process' | 'store';
  readonly retryAfterMs: number;
  readonly recordKey: string;
  readonly cause?: unknown;
}

export interface About {
  /** Key of the record in the store, and the resource that its fence guards unless another is named. */
  readonly recordKey: string;
  readonly attempt: number;
  readonly fence: bigint;
}
