import type { FrozenRequest } from './decision.js';

/** What every event carries. */
export interface ReconciliationEvent {
  readonly record: FrozenRequest;
  readonly term: bigint;
}

/** Each record that was taken ends a pass in exactly one of `resolved`, `unknown`, `overtaken` and `failed`. */
export interface ReconciliationEvents {
  /** Its outcome is in the store. `disputed`: what the original had to say contradicts it. */
  readonly resolved: ReconciliationEvent & { readonly verdict: 'completed' | 'failed' | 'retry'; readonly disputed: boolean };
  /** **Somebody should look**: nobody knows what was done, and the request stays refused. Sent again each time that it was asked about. */
  readonly unknown: ReconciliationEvent & { readonly why: string | undefined; readonly asked: number };
  /** A later term has it, or it was settled meanwhile: nothing was written. */
  readonly overtaken: Partial<ReconciliationEvent> & { readonly recordKey: string };
  /** It could not be resolved now: a sink or a store that does not answer, a `resolve` that threw or took too long. It is tried again. */
  readonly failed: Partial<ReconciliationEvent> & { readonly recordKey: string | undefined; readonly error: unknown };
  /** A whole pass is done. `frozen`: records that it could not resolve; `job`: the same for all passes of one reconciler. */
  readonly passed: { readonly job: string; readonly term: bigint; readonly frozen: number };
  /** Its term is over: what this job has seen is somebody else's business now. */
  readonly ended: { readonly job: string };
}

export type ReconciliationEventType = keyof ReconciliationEvents;
export type ReconciliationListener<T extends ReconciliationEventType> = (event: ReconciliationEvents[T]) => void;

/** All of them; the record makes a missing one a compile error. */
const everyType: Record<ReconciliationEventType, true> = {
  resolved: true,
  unknown: true,
  overtaken: true,
  failed: true,
  passed: true,
  ended: true,
};
export const reconciliationEventTypes = Object.keys(everyType) as readonly ReconciliationEventType[];
export const reconciliationChannelPrefix = 'holdfast:reconciliation:';
