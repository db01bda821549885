import type { Caller } from './caller.js';
import type { Ports } from './clock.js';
import type { Loss } from './errors.js';
import type { Emitter } from './events.js';
import { Turn } from './lease.js';
import type { LiveHold } from './live-hold.js';

export interface ServingContext {
  readonly ports: Ports;
  readonly emitter: Emitter;
  /** Gives the hold back to the store; calls `done` in any case. */
  readonly release: (hold: LiveHold, lastTurn: Turn | undefined, done: () => void) => void;
  /** The hold was lost: these callers have not begun and go back to the front of the queue. */
  readonly onLoss: (unserved: readonly Caller[]) => void;
  /** All work is over and the store knows. */
  readonly onOver: () => void;
}

/**
 * One grant and the batch of local callers that it serves: exclusive ones after each other, shared ones together, each
 * with the next fence of the range. The hold is given back when the last work has ended (invariant 8): not before,
 * also when everyone has been told of a loss.
 */
export class Serving {
  hold!: LiveHold;
  readonly turns = new Set<Turn>();
  readonly #context: ServingContext;
  readonly #callers = new Map<Turn, Caller>();
  #batch: Caller[] = [];
  #nextFence = 0n;
  #lastFence = 0n;
  #over = false;
  /** `#end` is at work: it finishes by itself, also when it finds the hold lost. */
  #ending = false;

  constructor(context: ServingContext) {
    this.#context = context;
  }

  /** Callers that were given a turn but have not begun: an abort or a timeout can still take them out. */
  get unserved(): readonly Caller[] {
    return this.#batch;
  }

  start(hold: LiveHold, batch: Caller[]): void {
    this.hold = hold;
    this.#batch = batch;
    this.#nextFence = hold.grant.fences.first;
    this.#lastFence = hold.grant.fences.last;
    this.#beginNext();
  }

  withdraw(caller: Caller): boolean {
    const index = this.#batch.indexOf(caller);
    if (index >= 0) this.#batch.splice(index, 1);
    return index >= 0;
  }

  /** Called by the hold, at most once. */
  lose(loss: Loss): void {
    for (const turn of this.turns) turn.lose(loss);
    const unserved = this.#batch;
    this.#batch = [];
    this.#context.onLoss(unserved);
    // Lost between two turns: no work is running that would end it.
    if (this.turns.size === 0 && !this.#ending) this.#finish(undefined, undefined);
  }

  #beginNext(): void {
    const shared = this.hold.held.mode === 'shared';
    while (this.#batch.length > 0 && (shared || this.turns.size === 0) && this.#nextFence <= this.#lastFence) {
      if (!this.hold.tick()) return;
      const caller = this.#batch.shift();
      if (caller !== undefined) this.#begin(caller);
    }
  }

  #begin(caller: Caller): void {
    caller.stopWaiting();
    const { ports, emitter } = this.#context;
    const waitedMs = ports.now().monotonicMs - caller.enqueuedAt.monotonicMs;
    const turn = new Turn(this.hold, this.#nextFence, waitedMs, caller.settings, {
      ports,
      emitter,
      onLoss: caller.actions.lost,
      onOverdue: (late) => this.#overdue(late),
    });
    this.#nextFence += 1n;
    this.turns.add(turn);
    this.#callers.set(turn, caller);
    emitter.emit('granted', () => turn.event());
    caller.actions.begin(turn).then(
      () => this.#end(turn),
      () => this.#end(turn),
    );
  }

  #end(turn: Turn): void {
    // The clock first: work that ran past the deadline did not end well, and its caller is told so.
    this.hold.tick();
    turn.finish();
    this.turns.delete(turn);
    const caller = this.#callers.get(turn);
    this.#callers.delete(turn);
    this.#ending = true;
    this.#beginNext();
    this.#ending = false;
    if (this.turns.size > 0) {
      this.#endIfUnused();
      caller?.actions.over();
    } else this.#finish(turn, caller);
  }

  /** Others of a shared batch are not to blame: the hold ends when nobody is left who may use it. */
  #overdue(turn: Turn): void {
    turn.lose('overdue');
    this.#endIfUnused();
  }

  #endIfUnused(): void {
    for (const turn of this.turns) if (turn.loss === undefined) return;
    this.hold.end('overdue');
  }

  #finish(lastTurn: Turn | undefined, lastCaller: Caller | undefined): void {
    const over = () => {
      this.#context.onOver();
      lastCaller?.actions.over();
    };
    if (this.#over) return over();
    this.#over = true;
    if (this.hold.finish()) this.#context.release(this.hold, lastTurn, over);
    else over();
  }
}
