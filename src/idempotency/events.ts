import type { FrozenBecause, LateOutcome } from './record.js';

/** What every event carries. Fields are present as they apply. */
export interface IdempotencyEvent {
  readonly operation: string;
  readonly namespace: string;
  readonly tenant?: string;
  readonly recordKey: string;
  readonly attempt?: number;
  readonly fence?: bigint;
}

/**
 * Every admission ends in exactly one of `claimed`, `replayed`, `mismatch`, `running`, `frozen` and `full`; and every `claimed` in at most one of `completed`, `failed`,
 * `released`, `frozen` and `late-outcome`: in none if the store did not answer.
 */
export interface IdempotencyEvents {
  /** The handler runs. */
  readonly claimed: IdempotencyEvent;
  readonly replayed: IdempotencyEvent & { readonly state: 'completed' | 'failed'; readonly kept: boolean };
  readonly mismatch: IdempotencyEvent;
  readonly running: IdempotencyEvent & { readonly retryAfterMs: number };
  /** `here`: this process has just frozen it. */
  readonly frozen: IdempotencyEvent & { readonly because: FrozenBecause; readonly here: boolean };
  readonly full: IdempotencyEvent & { readonly where: 'process' | 'store' };
  /** The answer is in the store. */
  readonly completed: IdempotencyEvent & { readonly tookMs: number };
  readonly failed: IdempotencyEvent & { readonly tookMs: number };
  /** The handler threw before any effect: it may be tried again. */
  readonly released: IdempotencyEvent & { readonly error: unknown };
  readonly 'late-outcome': IdempotencyEvent & { readonly late: LateOutcome; readonly disputed: boolean };
}

export type IdempotencyEventType = keyof IdempotencyEvents;
export type IdempotencyListener<T extends IdempotencyEventType> = (event: IdempotencyEvents[T]) => void;

/** All of them; the record makes a missing one a compile error. */
const everyType: Record<IdempotencyEventType, true> = {
  claimed: true,
  replayed: true,
  mismatch: true,
  running: true,
  frozen: true,
  full: true,
  completed: true,
  failed: true,
  released: true,
  'late-outcome': true,
};
export const idempotencyEventTypes = Object.keys(everyType) as readonly IdempotencyEventType[];
export const idempotencyChannelPrefix = 'holdfast:idempotency:';
