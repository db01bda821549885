import type { Renewal } from '../core/backend.js';
import { backoffMs } from '../core/backoff.js';
import { callTimeoutMs } from '../core/calls.js';
import { type Instant, remainingMs, type Timer } from '../core/clock.js';
import { detached } from '../core/detached.js';
import { LeaseLostError, type Loss } from '../core/errors.js';
import { type HoldEffect, type HoldEvent, type HoldState, startHold, transition } from '../core/hold.js';
import { limits } from '../core/limits.js';
import type { RecordWrite } from '../core/records.js';
import { type Context, write } from './context.js';
import { isHeldBy, isSettledBy, renewed } from './machine.js';
import { type IdempotencyRecord, parseRecord } from './record.js';

/** A timer of Node may be a millisecond late: the end is signalled this much before the deadline. */
const timerSlackMs = 2;

/** What is claimed: the record as it was last seen to stand, under that version. */
export interface Claimed {
  readonly recordKey: string;
  readonly record: IdempotencyRecord;
  readonly version: string;
  /** Read before the claim was sent. */
  readonly sentAt: Instant;
}

/**
 * A claim of this process while its handler runs: the machine of `core/hold.ts` under one timer. Renewed by writing the record again, from a third of the TTL on, so that a
 * short request is never renewed. The deadline is local and early (invariant 1), and its passing is signalled without asking anybody (invariant 2).
 */
export class LiveClaim {
  readonly recordKey: string;
  readonly sentAt: Instant;
  readonly effects: string[] = [];
  readonly #context: Context;
  readonly #abort = new AbortController();
  #record: IdempotencyRecord;
  #version: string;
  #state: HoldState;
  #renewAtMs: number;
  #timer: Timer | undefined;

  constructor(context: Context, { recordKey, record, version, sentAt }: Claimed) {
    this.#context = context;
    this.recordKey = recordKey;
    this.sentAt = sentAt;
    this.#record = record;
    this.#version = version;
    this.#state = startHold(sentAt, record.leaseTtlMs);
    this.#renewAtMs = sentAt.monotonicMs + this.#periodMs();
    // The answer may have taken as long as the lease: the timer counts from now, the deadline from before.
    this.#arm(context.settings.ports.now());
  }

  get record(): IdempotencyRecord {
    return this.#record;
  }

  get version(): string {
    return this.#version;
  }

  get signal(): AbortSignal {
    this.tick();
    return this.#abort.signal;
  }

  /** Looks at the clock; signals the loss if the deadline has passed. True while the claim is valid, or was when the work ended. */
  tick(): boolean {
    this.#dispatch({ type: 'tick', now: this.#context.settings.ports.now() });
    return this.#state.phase === 'held';
  }

  remainingMs(): number {
    const state = this.#state;
    return state.phase === 'held' ? remainingMs(state.deadline, this.#context.settings.ports.now()) : 0;
  }

  /** @throws LeaseLostError */
  assertHeld(): void {
    if (!this.tick()) throw this.#abort.signal.reason;
  }

  /** The store shows it under another version, and still ours: somebody added evidence, or a write of ours came late. */
  adopt(record: IdempotencyRecord, version: string): void {
    this.#record = record;
    this.#version = version;
  }

  /** The handler has ended: no more renewals; the deadline counts until the outcome is written. */
  workDone(): void {
    this.#renewAtMs = Number.POSITIVE_INFINITY;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #dispatch(event: HoldEvent): readonly HoldEffect[] {
    const [state, effects] = transition(this.#state, event);
    this.#state = state;
    for (const effect of effects) {
      if (effect.type === 'schedule-renewal') this.#schedule(effect.afterFailures, event.now);
      else if (effect.type === 'signal-loss') this.#lost(effect.loss, effect.reason);
    }
    return effects;
  }

  #periodMs(): number {
    const { ports } = this.#context.settings;
    return this.#record.leaseTtlMs * limits.renewAfterRatio * (1 - limits.renewJitterRatio * ports.random());
  }

  #schedule(failures: number, now: Instant): void {
    // The handler has ended meanwhile.
    if (this.#timer === undefined) return;
    const { ports } = this.#context.settings;
    const periodMs = this.#periodMs();
    const delayMs = failures === 0 ? periodMs : backoffMs(failures, limits.renewRetryMsMin, periodMs, ports.random());
    this.#renewAtMs = now.monotonicMs + delayMs;
    this.#arm(now);
  }

  #lost(loss: Loss, reason: string | undefined): void {
    this.workDone();
    const what = reason ?? 'its time ran out before it could be renewed';
    const message = `the claim on the request "${this.#record.key}" was lost: ${what}; stop, and leave the outcome to reconciliation`;
    this.#abort.abort(new LeaseLostError(loss, message, { lock: this.recordKey, reason }));
  }

  #arm(now: Instant): void {
    this.#timer?.cancel();
    const { ports } = this.#context.settings;
    const deadlineMs = this.#state.phase === 'held' ? remainingMs(this.#state.deadline, now) - timerSlackMs : 0;
    // Timers stand still while a machine sleeps: the clocks are compared now and then.
    const delayMs = Math.min(this.#renewAtMs - now.monotonicMs, deadlineMs, limits.clockCheckMsMax);
    this.#timer = detached(() => ports.timer(Math.max(0, Math.ceil(delayMs)), () => this.#fire()));
  }

  #fire(): void {
    const now = this.#context.settings.ports.now();
    const isNearlyOver = this.#state.phase === 'held' && remainingMs(this.#state.deadline, now) <= timerSlackMs;
    if (isNearlyOver) this.#dispatch({ type: 'ended', loss: 'expired', now });
    else if (this.tick() && now.monotonicMs >= this.#renewAtMs) this.#renew(now);
    if (this.#state.phase === 'held' && this.#timer !== undefined) this.#arm(now);
  }

  #renew(now: Instant): void {
    this.#renewAtMs = Number.POSITIVE_INFINITY;
    const sends = this.#dispatch({ type: 'renewal-due', now }).some(({ type }) => type === 'send-renewal');
    const next = sends ? renewed(this.#record, this.#record, [...this.effects]) : undefined;
    if (next === undefined) return;
    const { settings } = this.#context;
    const timeoutMs = callTimeoutMs(settings.callTimeoutMs, next.leaseTtlMs, limits.renewTimeoutTtlRatioMax);
    write(this.#context, this.recordKey, this.#version, next, undefined, timeoutMs).then(
      (answer) => this.#renewalAnswered(() => this.#read(answer, next)),
      (error: unknown) => this.#renewalAnswered(() => ({ outcome: 'unknown', cause: error })),
    );
  }

  #renewalAnswered(read: () => Renewal): void {
    let answer: Renewal;
    try {
      answer = read();
    } catch (cause) {
      answer = { outcome: 'unknown', cause };
    }
    this.#dispatch({ type: 'renewal-answered', answer, now: this.#context.settings.ports.now() });
  }

  #read({ written, record: stored }: RecordWrite, next: IdempotencyRecord): Renewal {
    if (stored === undefined) return { outcome: 'gone' };
    if (written) {
      this.adopt(next, stored.version);
      return { outcome: 'renewed', ttlMs: next.leaseTtlMs };
    }
    const found = parseRecord(stored.value);
    if (isHeldBy(found, this.#record)) {
      // Not by this write: when it was made is not known, so it extends nothing. The next one will.
      this.adopt(found, stored.version);
      return { outcome: 'unknown', cause: new Error('the record had been written to meanwhile') };
    }
    // Completed in a transaction of the handler's own: nothing is left to be renewed, and nothing is lost.
    if (isSettledBy(found, this.#record)) {
      this.workDone();
      return { outcome: 'unknown', cause: undefined };
    }
    return { outcome: 'not-yours', by: { kind: 'revoked', reason: `the record is ${found.state} now` } };
  }
}
