import type { Backend, Held, Renewal } from './backend.js';
import { backoffMs } from './backoff.js';
import { Bag, type Bagged } from './bag.js';
import { type Calls, callTimeoutMs } from './calls.js';
import { elapsedMs, type Instant, type Ports, type Timer } from './clock.js';
import { detached } from './detached.js';
import { limits } from './limits.js';

/** A hold, as the keeper sees it. */
export interface Kept extends Bagged {
  readonly held: Held;
  /** What the store last promised, which may be less than was asked for. */
  readonly ttlMs: number;
  /** Kept by the keeper: when the next renewal is to be sent; infinite while one is under way. */
  renewAtMs: number;
  /** Kept by the keeper: under which moment this hold stands in its agenda. */
  dueMs: number;
  remainingMs(now: Instant): number;
  /** Looks at the clock; false if the hold is lost. */
  tick(now: Instant): boolean;
  /** True if a renewal is to be sent now. */
  renewalDue(now: Instant): boolean;
  renewalAnswered(answer: Renewal): void;
  end(loss: 'expired'): void;
}

/** A timer of Node may be a millisecond late: the end is signalled this much before the deadline. */
const timerSlackMs = 2;
/** What the clocks may differ by for reasons of granularity. */
const clockJumpMs = 50;

/**
 * The watchdog: one scheduler and one timer for all holds of an instance. Renewals that are due in the same window leave as
 * one call (invariant 3: none after the deadline, which the hold checks again). While a renewal is under way, the hold's
 * deadline is what is due next (invariant 2: loss is signalled by a local timer that waits on no I/O).
 */
export class Keeper {
  readonly #backend: Backend;
  readonly #ports: Ports;
  readonly #calls: Calls;
  readonly #callTimeoutMs: number;
  /** Shifts this process's windows against those of others, so that a fleet does not beat in step. */
  readonly #phase: number;
  /** By the moment when something is due, of the monotonic clock: each hold stands here once. */
  readonly #agenda = new Map<number, Bag<Kept>>();
  #timer: Timer | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  /** When the clocks were last compared: not when the timer was armed, or a hold that arms it would hide a jump. */
  #comparedAt: Instant | undefined;
  #holds = 0;

  constructor(backend: Backend, ports: Ports, calls: Calls, callTimeout: number) {
    this.#backend = backend;
    this.#ports = ports;
    this.#calls = calls;
    this.#callTimeoutMs = callTimeout;
    this.#phase = ports.random();
  }

  watchOver(hold: Kept, now: Instant): void {
    if (this.#holds === 0) {
      this.#timer?.keepAlive?.(true);
      this.#comparedAt = now;
    }
    this.#holds += 1;
    this.scheduleRenewal(hold, 0, now);
  }

  /** Over or lost: nothing is due any more, and without holds no timer keeps the process alive. */
  forget(hold: Kept): void {
    this.#holds -= 1;
    this.#remove(hold);
    if (this.#holds > 0 || this.#timer === undefined) return;
    // Left in place where possible: it serves the next hold, which would else arm another one.
    if (this.#timer.keepAlive !== undefined) return this.#timer.keepAlive(false);
    this.#timer.cancel();
    this.#timerAtMs = Number.POSITIVE_INFINITY;
  }

  /** The regular renewal after a third of the TTL; after failures sooner, with backoff. */
  scheduleRenewal(hold: Kept, afterFailures: number, now: Instant): void {
    const periodMs = hold.ttlMs * limits.renewAfterRatio;
    const nowMs = now.monotonicMs;
    hold.renewAtMs =
      afterFailures === 0
        ? this.#alignedMs(nowMs + periodMs, periodMs * limits.renewWindowRatio)
        : this.#retryMs(nowMs, afterFailures, periodMs);
    this.#enter(hold, now);
  }

  /** All that failed together is sent again together: a store that comes back gets batches, not a call per hold. */
  #retryMs(nowMs: number, failures: number, periodMs: number): number {
    const minMs = Math.min(limits.renewRetryMsMin, periodMs);
    const pauseMs = backoffMs(failures, minMs, periodMs, this.#phase);
    return this.#alignedMs(nowMs + pauseMs, Math.min(pauseMs / 2, periodMs * limits.renewWindowRatio));
  }

  /** Rounds down to the window's grid: holds with similar TTLs meet in the same moment. */
  #alignedMs(dueMs: number, windowMs: number): number {
    const stepMs = gridMs(windowMs);
    const offset = this.#phase * stepMs;
    return Math.floor((dueMs - offset) / stepMs) * stepMs + offset;
  }

  /** Under the next renewal or the deadline, whichever is first: the store may have renewed for less than before. */
  #enter(hold: Kept, now: Instant): void {
    const dueMs = Math.min(hold.renewAtMs, this.#deadlineMs(hold, now));
    if (dueMs === hold.dueMs) return;
    this.#remove(hold);
    hold.dueMs = dueMs;
    let bag = this.#agenda.get(dueMs);
    if (bag === undefined) {
      bag = new Bag();
      this.#agenda.set(dueMs, bag);
    }
    bag.add(hold);
    if (dueMs < this.#timerAtMs) this.#arm(dueMs);
  }

  #deadlineMs(hold: Kept, now: Instant): number {
    const leftMs = Math.max(0, hold.remainingMs(now) - timerSlackMs);
    const dueMs = now.monotonicMs + leftMs;
    const stepMs = gridMs(hold.held.ttlMs * limits.deadlineWindowRatio);
    // Early by less than a step; within the last step exact, or it would be entered again and again.
    return leftMs > stepMs ? Math.floor(dueMs / stepMs) * stepMs : dueMs;
  }

  #remove(hold: Kept): void {
    // Left in the agenda when it is empty, until the timer fires: the next hold is due in the same moment, most likely.
    this.#agenda.get(hold.dueMs)?.remove(hold);
    hold.dueMs = Number.POSITIVE_INFINITY;
  }

  #arm(atMs: number): void {
    this.#timer?.cancel();
    const { monotonicMs } = this.#ports.now();
    this.#timerAtMs = Math.min(atMs, monotonicMs + limits.clockCheckMsMax);
    const delayMs = Math.max(0, this.#timerAtMs - monotonicMs);
    this.#timer = detached(() => this.#ports.timer(Math.ceil(delayMs), () => this.#fire()));
  }

  #fire(): void {
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    const now = this.#ports.now();
    const nowMs = now.monotonicMs;
    if (this.#jumped(now)) this.#tickAll(now);
    this.#comparedAt = now;
    const due = this.#takeDue(nowMs).filter((hold) => this.#isToRenew(hold));
    // Looked at once more: a listener that heard of another's loss may have taken its time.
    const toRenew = due.filter((hold) => hold.renewalDue(this.#ports.now()));
    for (let i = 0; i < toRenew.length; i += limits.renewBatchMax) this.#send(toRenew.slice(i, i + limits.renewBatchMax));
    this.#rearm();
  }

  #takeDue(nowMs: number): Kept[] {
    const due: Kept[] = [];
    for (const [dueMs, holds] of this.#agenda) {
      if (dueMs > nowMs) continue;
      this.#agenda.delete(dueMs);
      for (const hold of holds.takeAll()) due.push(hold);
    }
    for (const hold of due) hold.dueMs = Number.POSITIVE_INFINITY;
    return due;
  }

  /** Looks at one hold whose moment has come: what is lost must not be renewed. */
  #isToRenew(hold: Kept): boolean {
    // Read for each: a listener that hears of a loss may take its time.
    const now = this.#ports.now();
    if (!hold.tick(now)) return false;
    if (hold.remainingMs(now) <= timerSlackMs) {
      hold.end('expired');
      return false;
    }
    const due = hold.renewAtMs <= now.monotonicMs;
    if (due) hold.renewAtMs = Number.POSITIVE_INFINITY;
    this.#enter(hold, now);
    return due;
  }

  /** The machine slept, or somebody stepped the wall clock: then deadlines have come nearer than the timer knew. */
  #jumped(now: Instant): boolean {
    if (this.#comparedAt === undefined) return false;
    return elapsedMs(this.#comparedAt, now) - (now.monotonicMs - this.#comparedAt.monotonicMs) > clockJumpMs;
  }

  #tickAll(now: Instant): void {
    for (const hold of [...this.#agenda.values()].flatMap((holds) => [...holds])) {
      if (!hold.tick(now)) continue;
      // Its deadline has come nearer than its entry knows: renewed at once, and entered anew.
      if (hold.renewAtMs > now.monotonicMs && hold.renewAtMs < Number.POSITIVE_INFINITY) hold.renewAtMs = now.monotonicMs;
      this.#enter(hold, now);
    }
  }

  #rearm(): void {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [dueMs, holds] of this.#agenda) {
      // Nothing to come back for: a timer would keep the process alive.
      if (holds.size === 0) this.#agenda.delete(dueMs);
      else if (dueMs < nextMs) nextMs = dueMs;
    }
    if (nextMs < this.#timerAtMs) this.#arm(nextMs);
  }

  #send(holds: Kept[]): void {
    const ttlMs = Math.min(...holds.map((hold) => hold.held.ttlMs));
    const timeoutMs = callTimeoutMs(this.#callTimeoutMs, ttlMs, limits.renewTimeoutTtlRatioMax);
    const call = () => this.#backend.renew(holds.map((hold) => hold.held));
    const answered = (answers: readonly Renewal[]) => {
      for (const [i, hold] of holds.entries()) hold.renewalAnswered(wellFormed(answers?.[i]));
    };
    const failed = (error: unknown) => {
      for (const hold of holds) hold.renewalAnswered(unknown(error));
    };
    this.#calls.within(timeoutMs, this.#ports.now(), 'renewing', call, answered, failed, 'renew');
  }
}

/** The nearest power of two: grids of all TTLs fall together, so that few moments stand in an agenda, whatever TTLs are in use. */
function gridMs(windowMs: number): number {
  return 2 ** Math.round(Math.log2(windowMs));
}

/** A store's bug must not end the watch over the other holds of the batch. */
function wellFormed(answer: Renewal | undefined): Renewal {
  const known =
    answer?.outcome === 'renewed' ? answer.ttlMs > 0 : ['gone', 'not-yours', 'unknown'].includes(String(answer?.outcome));
  return known ? (answer as Renewal) : unknown(new Error('the store gave no legal answer for this hold'));
}

function unknown(cause: unknown): Renewal {
  return { outcome: 'unknown', cause };
}
