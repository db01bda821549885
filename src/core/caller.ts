import type { Instant, Timer } from './clock.js';
import type { HoldfastError } from './errors.js';
import type { Turn } from './lease.js';
import type { Settings } from './options.js';
import type { CallerTrace } from './tracing.js';

/** Why a caller stopped waiting. */
export type GivenUp = 'aborted' | 'timed-out' | 'failed' | 'closed';

/** What a queue does with its callers. */
export interface CallerActions {
  /**
   * The turn begins. Calls `workDone` when the work is over, never at once: what the work threw is the caller's business.
   * `null`: not available, and the caller did not want to wait.
   */
  begin(turn: Turn | null, workDone: () => void): void;
  /** The turn was lost while the work runs. */
  lost(error: HoldfastError): void;
  /** It will never begin. `reason` is what the user sees. */
  fail(reason: unknown): void;
  /** The turn is over in the store too, as far as can be known; the user's promise may settle. */
  over(): void;
}

/** One `request` or `acquire` from the moment its arguments were found good. */
export class Caller {
  readonly settings: Settings;
  readonly actions: CallerActions;
  readonly enqueuedAt: Instant;
  /** Absent where no tracer follows it. */
  readonly trace: CallerTrace | undefined;
  /** Kept by the line in which it waits. */
  previous: Caller | undefined;
  next: Caller | undefined;
  inLine = false;
  waitTimer: Timer | undefined;
  stopListening: (() => void) | undefined;

  constructor(settings: Settings, enqueuedAt: Instant, actions: CallerActions, trace?: CallerTrace) {
    this.settings = settings;
    this.enqueuedAt = enqueuedAt;
    this.actions = actions;
    this.trace = trace;
  }

  /** Its wait is over, one way or the other: no timer and no signal concerns it any more. */
  stopWaiting(): void {
    this.waitTimer?.cancel();
    this.waitTimer = undefined;
    this.stopListening?.();
    this.stopListening = undefined;
  }
}

export type Wanted = Pick<Settings, 'mode' | 'ttlMs' | 'metadata'> & Partial<Pick<Settings, 'alone'>>;

/**
 * Callers of one hold must want the same from the store.
 *
 * @param metadata what `b` wanted, if a tracer added to it since
 */
export function sameWant(a: Wanted, b: Wanted, metadata = b.metadata): boolean {
  if (a.mode !== b.mode || a.ttlMs !== b.ttlMs || (a.alone ?? false) !== (b.alone ?? false)) return false;
  return a.metadata === metadata || sameMetadata(a.metadata, metadata);
}

function sameMetadata(a: object, b: object): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
