import type { Caller } from './caller.js';
import type { Ports } from './clock.js';
import type { LeaseLostError, Loss } from './errors.js';
import type { Emitter } from './events.js';
import { Turn, type TurnHost } from './lease.js';
import type { LiveHold } from './live-hold.js';

/** Who looks after the servings of a name. */
export interface ServingHost {
  readonly ports: Ports;
  readonly emitter: Emitter;
  /** Gives the hold back to the store; calls `done` in any case. */
  giveBack(serving: Serving, lastTurn: Turn | undefined, done: () => void): void;
  /** The hold was lost: these callers have not begun and go back to the front of the queue. */
  lost(unserved: readonly Caller[]): void;
  /** All work is over and the store knows. */
  over(serving: Serving): void;
}

/**
 * One grant and the batch of local callers that it serves: exclusive ones after each other, shared ones together, each
 * with the next fence of the range. The hold is given back when the last work has ended (invariant 8): not before,
 * also when everyone has been told of a loss.
 */
export class Serving implements TurnHost {
  readonly hold: LiveHold;
  readonly ports: Ports;
  readonly emitter: Emitter;
  readonly #host: ServingHost;
  readonly #running = new Map<Turn, Caller>();
  #batch: Caller[];
  #nextFence: bigint;
  #over = false;
  /** `#end` is at work: it finishes by itself, also when it finds the hold lost. */
  #ending = false;

  constructor(host: ServingHost, batch: Caller[], startHold: (onLoss: (loss: Loss, reason?: string) => void) => LiveHold) {
    this.#host = host;
    this.ports = host.ports;
    this.emitter = host.emitter;
    this.#batch = batch;
    this.hold = startHold((loss, reason) => this.#lose(loss, reason));
    this.#nextFence = this.hold.grant.fences.first;
  }

  /** Callers that were given a turn but have not begun: an abort or a timeout can still take them out. */
  get unserved(): readonly Caller[] {
    return this.#batch;
  }

  get turns(): Iterable<Turn> {
    return this.#running.keys();
  }

  start(): void {
    this.#beginNext();
  }

  withdraw(caller: Caller): boolean {
    const index = this.#batch.indexOf(caller);
    if (index >= 0) this.#batch.splice(index, 1);
    return index >= 0;
  }

  turnLost(turn: Turn, error: LeaseLostError): void {
    this.#running.get(turn)?.actions.lost(error);
  }

  /** Others of a shared batch are not to blame: the hold ends when nobody is left who may use it. */
  turnOverdue(turn: Turn): void {
    turn.lose('overdue');
    this.#endIfUnused();
  }

  /** Called by the hold, at most once. */
  #lose(loss: Loss, reason: string | undefined): void {
    for (const turn of this.#running.keys()) turn.lose(loss, reason);
    const unserved = this.#batch;
    this.#batch = [];
    this.#host.lost(unserved);
    // Lost between two turns: no work is running that would end it.
    if (this.#running.size === 0 && !this.#ending) this.#finish(undefined, undefined);
  }

  #nextCanBegin(): boolean {
    const free = this.hold.held.mode === 'shared' || this.#running.size === 0;
    return free && this.#batch.length > 0 && this.#nextFence <= this.hold.grant.fences.last;
  }

  #beginNext(): void {
    while (this.#nextCanBegin()) {
      if (!this.hold.tick()) return;
      const caller = this.#batch.shift();
      if (caller !== undefined) this.#begin(caller);
    }
  }

  #begin(caller: Caller): void {
    caller.stopWaiting();
    const turn = new Turn(this.hold, this.#nextFence, caller.enqueuedAt, caller.settings, this);
    this.#nextFence += 1n;
    this.#running.set(turn, caller);
    this.emitter.emit('granted', () => turn.event());
    const end = () => this.#end(turn, caller);
    caller.actions.begin(turn).then(end, end);
  }

  #end(turn: Turn, caller: Caller): void {
    // The clock first: work that ran past the deadline did not end well, and its caller is told so.
    this.hold.tick();
    turn.finish();
    this.#running.delete(turn);
    this.#ending = true;
    const handedOn = this.#running.size > 0 || (this.#nextCanBegin() && this.hold.tick());
    if (handedOn && turn.loss === undefined) {
      this.emitter.emit('released', () => ({ ...turn.event(), outcome: 'released', handedOn }));
    }
    this.#beginNext();
    this.#ending = false;
    if (this.#running.size === 0) return this.#finish(handedOn ? undefined : turn, caller);
    this.#endIfUnused();
    caller.actions.over();
  }

  #endIfUnused(): void {
    for (const turn of this.#running.keys()) if (turn.loss === undefined) return;
    this.hold.end('overdue');
  }

  #finish(lastTurn: Turn | undefined, lastCaller: Caller | undefined): void {
    const over = () => {
      this.#host.over(this);
      lastCaller?.actions.over();
    };
    if (this.#over) return over();
    this.#over = true;
    if (this.hold.finish()) this.#host.giveBack(this, lastTurn, over);
    else over();
  }
}
