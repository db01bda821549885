import type { Ask, Grant, Held, Metadata, Renewal } from './backend.js';
import { elapsedMs, type Instant, ownerDigest, type Ports, remainingMs } from './clock.js';
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

/** A grant, and the ask that it answers. */
export interface Granted {
  readonly ask: Ask;
  readonly grant: Grant;
  /** Read before the ask was sent. */
  readonly sentAt: Instant;
  /** A copy of the ask may still be under way. */
  readonly uncertain: boolean;
  /** The metadata that its callers want; that of the ask may say more. */
  readonly wanted: Metadata;
}

export interface HoldOwner {
  /** Told once, if the hold ends before the work does. */
  holdLost(loss: Loss, reason: string | undefined): void;
  /** Told each time that a renewal, sent then, had no clear answer. */
  renewalFailed(error: unknown, sentAt: Instant | undefined, now: Instant): void;
}

/** A hold in this process: runs the pure machine of `hold.ts` against real time and carries out its effects. */
export class LiveHold implements Kept {
  readonly granted: Granted;
  ttlMs: number;
  renewAtMs = Number.POSITIVE_INFINITY;
  dueMs = Number.POSITIVE_INFINITY;
  bagIndex = -1;
  readonly #context: HoldContext;
  readonly #owner: HoldOwner;
  #state: HoldState;
  #releaseWanted = false;
  /** Made for the first event: a hash costs more than the rest of it. */
  #digest: string | undefined;
  #holdKey: object | undefined;

  constructor(context: HoldContext, granted: Granted, owner: HoldOwner) {
    this.granted = granted;
    this.#context = context;
    this.#owner = owner;
    const { ask, grant, sentAt } = granted;
    this.ttlMs = Math.min(ask.ttlMs, grant.ttlMs);
    this.#state = startHold(sentAt, grant.ttlMs);
    context.keeper.watchOver(this, context.ports.now());
  }

  get held(): Held {
    return this.granted.ask;
  }

  get fences(): Grant['fences'] {
    return this.granted.grant.fences;
  }

  /** For whoever must tell holds apart and is not to have the hold itself, with its owner. */
  get holdKey(): object {
    this.#holdKey ??= {};
    return this.#holdKey;
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

  /** Looks at the clock; signals the loss if the deadline has passed. True while the hold is valid. */
  tick(now: Instant = this.#context.ports.now()): boolean {
    this.#dispatch({ type: 'tick', now });
    return this.#state.phase === 'held';
  }

  /** True if a renewal is to be sent now. */
  renewalDue(now: Instant): boolean {
    const effects = this.#dispatch({ type: 'renewal-due', now });
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
  finish(now: Instant): boolean {
    this.#dispatch({ type: 'work-done', now });
    return this.#releaseWanted;
  }

  event(): LockEvent {
    this.#digest ??= ownerDigest(this.held.owner);
    return {
      name: this.held.name.text,
      mode: this.held.mode,
      owner: this.#digest,
      node: this.#context.clientId,
      ttlMs: this.held.ttlMs,
      fence: this.fences.last,
      leaseGeneration: this.fences.first,
      acquiredAt: this.granted.sentAt.wallMs,
      renewalCount: this.renewals,
    };
  }

  #dispatch(event: HoldEvent): readonly HoldEffect[] {
    const before = this.#state;
    const [state, effects] = transition(before, event);
    this.#state = state;
    if (before.phase === 'held' && state.phase !== 'held') this.#context.keeper.forget(this);
    for (const effect of effects) this.#carryOut(effect, event.now, before);
    return effects;
  }

  #carryOut(effect: HoldEffect, now: Instant, before: HoldState): void {
    const { emitter, keeper } = this.#context;
    switch (effect.type) {
      case 'send-renewal':
        return; // The keeper gathers these into one call.
      case 'release':
        this.#releaseWanted = true;
        return;
      case 'schedule-renewal':
        return keeper.scheduleRenewal(this, effect.afterFailures, now);
      case 'signal-loss':
        return this.#owner.holdLost(effect.loss, effect.reason);
      case 'report-renewed':
        return this.#reportRenewed(before.phase === 'held' ? elapsedMs(before.deadline.since, now) : 0, now);
      case 'report-renewal-failed':
        this.#owner.renewalFailed(effect.cause, before.phase === 'held' ? before.renewalSentAt : undefined, now);
        return emitter.emit('renewal-failed', () => ({
          ...this.event(),
          error: effect.cause,
          remainingMs: this.remainingMs(now),
        }));
      case 'report-endangered':
        return emitter.emit('endangered', () => ({ ...this.event(), remainingMs: this.remainingMs(now) }));
    }
  }

  #reportRenewed(goneMs: number, now: Instant): void {
    const { holdKey } = this;
    const { name, ttlMs } = this.held;
    const make = () => ({ ...this.event(), remainingMs: this.remainingMs(now), goneMs });
    this.#context.emitter.emit('renewed', make, { holdKey, name: name.text, ttlMs, goneMs });
  }
}
