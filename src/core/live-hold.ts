import type { Grant, Held, Metadata, Renewal } from './backend.js';
import { type Instant, ownerDigest, type Ports, remainingMs } from './clock.js';
import type { Loss } from './errors.js';
import type { Emitter, LockEvent } from './events.js';
import { type HoldEffect, type HoldEvent, type HoldState, startHold, transition } from './hold.js';
import type { Keeper, Kept } from './keeper.js';

export interface HoldContext {
  readonly ports: Ports;
  readonly emitter: Emitter;
  readonly keeper: Keeper;
  /** For events. */
  readonly clientId: string;
}

export interface HoldStart {
  readonly held: Held;
  readonly grant: Grant;
  readonly sentAt: Instant;
  readonly metadata: Metadata;
}

/** A hold in this process: runs the pure machine of `hold.ts` against real time and carries out its effects. */
export class LiveHold implements Kept {
  readonly held: Held;
  readonly grant: Grant;
  readonly metadata: Metadata;
  readonly sentAt: Instant;
  ttlMs: number;
  renewalDueMs = Number.NaN;
  deadlineDueMs = Number.NaN;
  readonly #context: HoldContext;
  readonly #onLoss: (loss: Loss, reason: string | undefined) => void;
  #state: HoldState;
  #releaseWanted = false;

  constructor(context: HoldContext, start: HoldStart, onLoss: (loss: Loss, reason: string | undefined) => void) {
    this.held = start.held;
    this.grant = start.grant;
    this.ttlMs = Math.min(start.held.ttlMs, start.grant.ttlMs);
    this.metadata = start.metadata;
    this.sentAt = start.sentAt;
    this.#context = context;
    this.#onLoss = onLoss;
    this.#state = startHold(start.sentAt, start.grant.ttlMs);
    context.keeper.watchOver(this);
  }

  get renewals(): number {
    return this.#state.renewals;
  }

  get loss(): Loss | undefined {
    return this.#state.phase === 'lost' ? this.#state.loss : undefined;
  }

  remainingMs(now: Instant): number {
    return this.#state.phase === 'held' ? Math.max(0, remainingMs(this.#state.deadline, now)) : 0;
  }

  /** Reads the clock; signals the loss if the deadline has passed. True while the hold is valid. */
  tick(): boolean {
    this.#dispatch({ type: 'tick', now: this.#context.ports.now() });
    return this.#state.phase === 'held';
  }

  /** True if a renewal is to be sent now. */
  renewalDue(): boolean {
    const effects = this.#dispatch({ type: 'renewal-due', now: this.#context.ports.now() });
    return effects.some((effect) => effect.type === 'send-renewal');
  }

  renewalAnswered(answer: Renewal): void {
    if (answer.outcome === 'renewed') this.ttlMs = Math.min(this.held.ttlMs, answer.ttlMs);
    this.#dispatch({ type: 'renewal-answered', answer, now: this.#context.ports.now() });
  }

  /** Ends it from this side. */
  end(loss: Loss, reason?: string): void {
    this.#dispatch({ type: 'ended', loss, reason, now: this.#context.ports.now() });
  }

  /** The work is over. True if the store is to be told. */
  finish(): boolean {
    this.#dispatch({ type: 'work-done', now: this.#context.ports.now() });
    return this.#releaseWanted;
  }

  event(): LockEvent {
    return {
      name: this.held.name.text,
      mode: this.held.mode,
      owner: ownerDigest(this.held.owner),
      node: this.#context.clientId,
      ttlMs: this.held.ttlMs,
      fence: this.grant.fences.last,
      acquiredAt: this.sentAt.wallMs,
      renewalCount: this.renewals,
    };
  }

  #dispatch(event: HoldEvent): readonly HoldEffect[] {
    const before = this.#state.phase;
    const [state, effects] = transition(this.#state, event);
    this.#state = state;
    if (before === 'held' && state.phase !== 'held') this.#context.keeper.forget(this);
    for (const effect of effects) this.#carryOut(effect, event.now);
    return effects;
  }

  #carryOut(effect: HoldEffect, now: Instant): void {
    const { emitter, keeper } = this.#context;
    switch (effect.type) {
      case 'send-renewal':
        return; // The keeper gathers these into one call.
      case 'release':
        this.#releaseWanted = true;
        return;
      case 'schedule-renewal':
        return keeper.scheduleRenewal(this, effect.afterFailures);
      case 'signal-loss':
        return this.#onLoss(effect.loss, effect.reason);
      case 'report-renewed':
        return emitter.emit('renewed', () => ({ ...this.event(), remainingMs: this.remainingMs(now) }));
      case 'report-renewal-failed':
        return emitter.emit('renewal-failed', () => ({
          ...this.event(),
          error: effect.cause,
          remainingMs: this.remainingMs(now),
        }));
      case 'report-endangered':
        return emitter.emit('endangered', () => ({ ...this.event(), remainingMs: this.remainingMs(now) }));
    }
  }
}
