import type { Caller } from './caller.js';
import { elapsedMs, type Instant, type Ports } from './clock.js';
import type { LeaseLostError, Loss } from './errors.js';
import type { Emitter } from './events.js';
import { Turn, type TurnHost } from './lease.js';
import { limits } from './limits.js';
import { type Granted, type HoldContext, type HoldOwner, LiveHold } from './live-hold.js';
import type { Notes } from './tracer.js';
import { type CallerTrace, noNotes } from './tracing.js';

/** Who looks after the servings of a name. */
export interface ServingHost {
  readonly holdContext: HoldContext;
  /** Gives the hold back to the store; calls `done` in any case. */
  giveBack(serving: Serving, lastTurn: Turn | undefined, done: () => void): void;
  /** Whether somebody came while it ran whom it may serve, too. */
  hasLatecomer(serving: Serving, now: Instant): boolean;
  takeLatecomer(): Caller | undefined;
  /** The hold was lost: these callers have not begun and go back to the front of the queue. */
  lost(unserved: readonly Caller[]): void;
  /** All work is over and the store knows. */
  over(serving: Serving): void;
}

interface Running {
  readonly turn: Turn;
  readonly caller: Caller;
}

/**
 * One grant and the local callers that it serves: exclusive ones after each other, shared ones together, each with the next
 * fence of the range. First those that waited when it came; then, for a slice of time, those that come while it runs. The
 * hold is given back when the last work has ended (invariant 8): not before, also when everyone has been told of a loss.
 */
export class Serving implements TurnHost, HoldOwner {
  readonly hold: LiveHold;
  readonly #host: ServingHost;
  /** Mostly one; a whole batch in shared mode. Replaced, not changed: an array that grows takes room for seventeen. */
  #running: readonly Running[] = [];
  #batch: Caller[];
  #nextFence: bigint;
  /** When its first turn began, by the monotonic clock. */
  #beganAtMs = Number.POSITIVE_INFINITY;
  #over = false;
  /** `#end` is at work: it finishes by itself, also when it finds the hold lost. */
  #ending = false;
  /** Of those that the next turn comes after, for a tracer. */
  #after: Notes;

  constructor(host: ServingHost, granted: Granted, batch: Caller[], after: Notes) {
    this.#host = host;
    this.#batch = batch;
    this.#after = after;
    this.hold = new LiveHold(host.holdContext, granted, this);
    this.#nextFence = this.hold.fences.first;
  }

  get ports(): Ports {
    return this.#host.holdContext.ports;
  }

  get emitter(): Emitter {
    return this.#host.holdContext.emitter;
  }

  /** Callers that were given a turn but have not begun: an abort or a timeout can still take them out. */
  get unserved(): readonly Caller[] {
    return this.#batch;
  }

  get turns(): Turn[] {
    return this.#running.map(({ turn }) => turn);
  }

  /** Of its last turn, where a tracer followed it. Shared turns come after each other only by chance. */
  get notes(): Notes | undefined {
    if (this.#after.length === 0 || this.hold.held.mode === 'shared' || this.served === 0) return undefined;
    return this.#after;
  }

  /** How many turns have begun. */
  get served(): number {
    return Number(this.#nextFence - this.hold.fences.first);
  }

  /**
   * For how much longer a turn that ends is followed by that of a latecomer. When the fences of a hold with many short turns are
   * used up, it is given back any moment: those who come until then are no worse off if they are asked for after that.
   */
  openForMs(now: Instant): number {
    const { held, loss, fences } = this.hold;
    const goesOn = held.mode === 'exclusive' && loss === undefined && !this.#over;
    const has = this.#nextFence + BigInt(this.#batch.length) <= fences.last;
    return goesOn && (has || this.served > 1) ? this.#beganAtMs + limits.sliceMs - now.monotonicMs : 0;
  }

  start(): void {
    this.#beginNext(this.hold.granted.sentAt);
  }

  withdraw(caller: Caller): boolean {
    const index = this.#batch.indexOf(caller);
    if (index >= 0) this.#batch.splice(index, 1);
    return index >= 0;
  }

  turnLost(turn: Turn, error: LeaseLostError): void {
    const caller = this.#running.find((each) => each.turn === turn)?.caller;
    caller?.trace?.lost(error);
    caller?.actions.lost(error);
  }

  /** Others of a shared batch are not to blame: the hold ends when nobody is left who may use it. */
  turnOverdue(turn: Turn): void {
    turn.lose('overdue');
    this.#endIfUnused();
  }

  holdLost(loss: Loss, reason: string | undefined): void {
    for (const turn of this.turns) turn.lose(loss, reason);
    const unserved = this.#batch;
    this.#batch = [];
    this.#host.lost(unserved);
    // Lost between two turns: no work is running that would end it.
    if (this.#running.length === 0 && !this.#ending) this.#finish(undefined, undefined, this.ports.now());
  }

  renewalFailed(error: unknown, sentAt: Instant | undefined, now: Instant): void {
    const tookMs = sentAt === undefined ? 0 : elapsedMs(sentAt, now);
    for (const { caller } of this.#running) {
      caller.trace?.renewalFailed({ error, tookMs, remainingMs: this.hold.remainingMs(now) });
    }
  }

  #nextCanBegin(now: Instant): boolean {
    const free = this.hold.held.mode === 'shared' || this.#running.length === 0;
    if (!free || this.#nextFence > this.hold.fences.last) return false;
    return this.#batch.length > 0 || this.#host.hasLatecomer(this, now);
  }

  #beginNext(endedAt: Instant): void {
    while (this.#nextCanBegin(endedAt)) {
      const now = this.ports.now();
      if (!this.hold.tick(now)) return;
      const caller = this.#batch.shift() ?? this.#host.takeLatecomer();
      // A list that was filled keeps its room for as long as the lease lasts.
      if (this.#batch.length === 0) this.#batch = [];
      if (caller !== undefined) this.#begin(caller, now);
    }
  }

  #begin(caller: Caller, now: Instant): void {
    caller.stopWaiting();
    const turn = new Turn(this.hold, this.#nextFence, caller, this, now);
    this.#nextFence += 1n;
    this.#beganAtMs = Math.min(this.#beganAtMs, now.monotonicMs);
    const running = { turn, caller };
    this.#running = this.#running.length === 0 ? [running] : [...this.#running, running];
    this.emitter.emit('granted', () => turn.event(), turn);
    if (caller.trace !== undefined) this.#tellGranted(caller.trace, turn);
    caller.actions.begin(turn, () => this.#end(running));
  }

  #tellGranted(trace: CallerTrace, turn: Turn): void {
    trace.granted(turn, this.hold, this.#after);
    if (turn.mode === 'exclusive') this.#after = trace.note === undefined ? noNotes : [trace.note];
  }

  #end(running: Running): void {
    const { turn, caller } = running;
    const now = this.ports.now();
    // The clock first: work that ran past the deadline did not end well, and its caller is told so.
    this.hold.tick(now);
    turn.finish();
    if (turn.loss === undefined) caller.trace?.ended();
    this.#running = this.#running.filter((each) => each !== running);
    this.#ending = true;
    const handedOn = this.#running.length > 0 || (this.#nextCanBegin(now) && this.hold.tick(now));
    if (handedOn && turn.loss === undefined) {
      this.emitter.emit('released', () => Object.assign(turn.event(), { outcome: 'released' as const, handedOn }), turn);
    }
    this.#beginNext(now);
    this.#ending = false;
    if (this.#running.length === 0) return this.#finish(handedOn ? undefined : turn, caller, this.ports.now());
    this.#endIfUnused();
    caller.trace?.over(undefined);
    caller.actions.over();
  }

  #endIfUnused(): void {
    for (const { turn } of this.#running) if (turn.loss === undefined) return;
    this.hold.end('overdue');
  }

  #finish(lastTurn: Turn | undefined, lastCaller: Caller | undefined, now: Instant): void {
    const over = () => {
      this.#host.over(this);
      lastCaller?.trace?.over(lastTurn?.releaseOutcome);
      lastCaller?.actions.over();
    };
    if (this.#over) return over();
    this.#over = true;
    if (!this.hold.finish(now)) return over();
    if (lastTurn !== undefined) lastCaller?.trace?.releasing();
    this.#host.giveBack(this, lastTurn, over);
  }
}
