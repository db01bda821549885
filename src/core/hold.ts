import type { Renewal } from './backend.js';
import { type Deadline, type Instant, remainingMs } from './clock.js';
import type { Loss } from './errors.js';
import { limits } from './limits.js';

/**
 * The life of one hold as a pure function: `(state, event) → [state, effects]`.
 *
 *     held ──loss──▶ lost ──work done──▶ over
 *       └────────────work done─────────▶ over
 *
 * No clock is read here: every event brings the reading that belongs to it. The invariants kept in this file:
 *
 * 1. The deadline is counted from before the request was sent (`deadlineFor`).
 * 2. Any event after the deadline finds the hold lost, whatever else it says.
 * 3. A late yes revives nothing, no renewal is sent after the deadline, and unknown is neither yes nor no.
 * 8. While work runs and the hold is valid, renewal goes on; release follows the end of the work.
 */
export type HoldState =
  | {
      readonly phase: 'held';
      readonly deadline: Deadline;
      readonly renewals: number;
      /** Renewals in a row without a clear answer. */
      readonly failures: number;
      /** When the renewal in flight was sent; its answer is judged by this reading. */
      readonly renewalSentAt: Instant | undefined;
      readonly endangered: boolean;
    }
  | { readonly phase: 'lost'; readonly loss: Loss; readonly renewals: number }
  | { readonly phase: 'over'; readonly renewals: number };

export type HoldEvent =
  /** Time passed, or user code touched the lease. */
  | { readonly type: 'tick'; readonly now: Instant }
  | { readonly type: 'renewal-due'; readonly now: Instant }
  | { readonly type: 'renewal-answered'; readonly answer: Renewal; readonly now: Instant }
  /** This process ended it: its own steal, or `maxHoldMs`. */
  | { readonly type: 'ended'; readonly loss: Loss; readonly reason?: string | undefined; readonly now: Instant }
  | { readonly type: 'work-done'; readonly now: Instant };

export type HoldEffect =
  | { readonly type: 'send-renewal' }
  | { readonly type: 'schedule-renewal'; readonly afterFailures: number }
  | { readonly type: 'report-renewed' }
  | { readonly type: 'report-renewal-failed'; readonly cause: unknown }
  | { readonly type: 'report-endangered' }
  /** `reason`: what was said by whoever ended it. */
  | { readonly type: 'signal-loss'; readonly loss: Loss; readonly reason: string | undefined }
  /** Compare-and-delete. After a loss only where the store may still hold it for us. */
  | { readonly type: 'release' };

export type Transition = readonly [HoldState, readonly HoldEffect[]];

const none: readonly HoldEffect[] = [];
const sendRenewal: readonly HoldEffect[] = [{ type: 'send-renewal' }];
const renewedEffects: readonly HoldEffect[] = [{ type: 'report-renewed' }, { type: 'schedule-renewal', afterFailures: 0 }];

/**
 * The last moment at which the holder may believe in its lease: early by drift and margin, and counted from a
 * reading taken before the request left. (Gray and Cheriton, "Leases", 1989; Redlock's validity time.)
 */
export function deadlineFor(sentAt: Instant, ttlMs: number): Deadline {
  const margin = Math.min(limits.marginMs, ttlMs * limits.marginRatioMax);
  return { since: sentAt, lengthMs: ttlMs * (1 - limits.driftRatio) - margin };
}

export function startHold(sentAt: Instant, ttlMs: number): HoldState {
  return {
    phase: 'held',
    deadline: deadlineFor(sentAt, ttlMs),
    renewals: 0,
    failures: 0,
    renewalSentAt: undefined,
    endangered: false,
  };
}

export function transition(state: HoldState, event: HoldEvent): Transition {
  if (state.phase === 'over') return [state, none];
  if (state.phase === 'lost') return event.type === 'work-done' ? endLost(state) : [state, none];
  // Before anything else: has the deadline passed? Then neither an answer nor a request counts any more.
  if (remainingMs(state.deadline, event.now) <= 0) {
    const [lost, effects] = lose(state, 'expired');
    if (event.type !== 'work-done') return [lost, effects];
    // The work ended late, but it ended: nobody is told of a loss that can harm nothing any more… except that the
    // last stretch ran without the lock, so the loss is signalled all the same, and then the store is tidied.
    const [over, tidy] = transition(lost, event);
    return [over, [...effects, ...tidy]];
  }
  switch (event.type) {
    case 'tick':
      return [state, none];
    case 'renewal-due':
      if (state.renewalSentAt !== undefined) return [state, none];
      return [{ ...state, renewalSentAt: event.now }, sendRenewal];
    case 'renewal-answered':
      return answered(state, event.answer, event.now);
    case 'ended':
      return lose(state, event.loss, event.reason);
    case 'work-done':
      return [{ phase: 'over', renewals: state.renewals }, [{ type: 'release' }]];
  }
}

type HeldState = Extract<HoldState, { phase: 'held' }>;

function answered(state: HeldState, answer: Renewal, now: Instant): Transition {
  const sentAt = state.renewalSentAt;
  if (sentAt === undefined) return [state, none];
  switch (answer.outcome) {
    case 'renewed': {
      const renewals = state.renewals + 1;
      const deadline = deadlineFor(sentAt, answer.ttlMs);
      const renewed: HeldState = { phase: 'held', deadline, renewals, failures: 0, renewalSentAt: undefined, endangered: false };
      // A yes that took longer than the TTL it grants is no yes.
      if (remainingMs(deadline, now) <= 0) return lose(renewed, 'expired');
      return [renewed, renewedEffects];
    }
    case 'gone':
    case 'not-yours':
      return lose(state, answer.by?.kind ?? 'forgotten', answer.by?.reason);
    case 'unknown':
      return unanswered(state, answer.cause, now);
  }
}

function unanswered(state: HeldState, cause: unknown, now: Instant): Transition {
  const failures = state.failures + 1;
  const near = remainingMs(state.deadline, now) < state.deadline.lengthMs * limits.renewAfterRatio;
  const effects: HoldEffect[] = [{ type: 'report-renewal-failed', cause }];
  if (near && !state.endangered) effects.push({ type: 'report-endangered' });
  effects.push({ type: 'schedule-renewal', afterFailures: failures });
  return [{ ...state, failures, renewalSentAt: undefined, endangered: state.endangered || near }, effects];
}

function lose(state: HeldState, loss: Loss, reason?: string): Transition {
  return [{ phase: 'lost', loss, renewals: state.renewals }, [{ type: 'signal-loss', loss, reason }]];
}

function endLost(state: Extract<HoldState, { phase: 'lost' }>): Transition {
  const over: HoldState = { phase: 'over', renewals: state.renewals };
  // Ended here, or run out here: the store may still have it, and only for us. Elsewhere somebody else decided.
  const mayRemain = state.loss === 'overdue' || state.loss === 'expired';
  return [over, mayRemain ? [{ type: 'release' }] : none];
}
