import { type Caller, sameWant } from './caller.js';
import { expectedHoldOf } from './expected-hold.js';
import type { Settings } from './options.js';
import type { Want } from './waiting.js';

/**
 * The callers of this process that wait for one name, in order of arrival. A list that runs through the callers themselves:
 * leaving from the middle is cheap, and who has left points to nobody (see `bag.ts` for what a `Set` would do).
 */
export class Line {
  #size = 0;
  #first: Caller | undefined;
  #last: Caller | undefined;

  get size(): number {
    return this.#size;
  }

  get head(): Caller | undefined {
    return this.#first;
  }

  /** Whoever it has come to may leave meanwhile, others not. */
  *[Symbol.iterator](): Iterator<Caller> {
    let caller = this.#first;
    while (caller !== undefined) {
      const { next } = caller;
      yield caller;
      caller = next;
    }
  }

  join(caller: Caller): void {
    this.#insert(caller, this.#last, undefined);
  }

  /** True if it stood here. */
  leave(caller: Caller): boolean {
    if (!caller.inLine) return false;
    const { previous, next } = caller;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    caller.previous = undefined;
    caller.next = undefined;
    caller.inLine = false;
    this.#size -= 1;
    return true;
  }

  /** They were to have their turn and had not: they come before all others. */
  putBack(callers: readonly Caller[]): void {
    for (const caller of [...callers].reverse()) this.#insert(caller, undefined, this.#first);
  }

  /** How many at the head one grant could serve. Counted without a list: an ask is made more often than it is granted. */
  runLength(settings: Settings, max: number): number {
    let length = 0;
    for (let caller = this.#first; caller !== undefined; caller = caller.next) {
      if (length >= max || !sameWant(caller.settings, settings)) break;
      length += 1;
    }
    return length;
  }

  /** How long so many at the head expect to hold, if all of them say so. */
  expectedHoldMs(count: number): number | undefined {
    return expectedHoldOf([...this].slice(0, count));
  }

  /** Takes whoever is first. */
  takeHead(): Caller | undefined {
    const head = this.#first;
    if (head !== undefined) this.leave(head);
    return head;
  }

  /** Takes those at the head that one grant can serve. */
  takeRun(settings: Settings, max: number): Caller[] {
    const run: Caller[] = [];
    for (const caller of this) {
      if (run.length >= max || !sameWant(caller.settings, settings)) break;
      run.push(caller);
      this.leave(caller);
    }
    return run;
  }

  /** Takes all, or all that want this. */
  takeAll(want?: Want): Caller[] {
    const taken = [...this].filter(({ settings }) => want === undefined || sameWant(settings, want));
    for (const caller of taken) this.leave(caller);
    return taken;
  }

  #insert(caller: Caller, previous: Caller | undefined, next: Caller | undefined): void {
    caller.previous = previous;
    caller.next = next;
    caller.inLine = true;
    if (previous === undefined) this.#first = caller;
    else previous.next = caller;
    if (next === undefined) this.#last = caller;
    else next.previous = caller;
    this.#size += 1;
  }
}
