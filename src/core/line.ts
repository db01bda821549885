import { type Caller, sameWant } from './caller.js';
import type { Settings } from './options.js';
import type { Want } from './waiting.js';

const nobody: readonly Caller[] = [];

/** The callers of this process that wait for one name, in order of arrival. */
export class Line {
  /** A set: leaving from the middle is cheap. None while nobody waits: an idle one would be a good part of a held lease. */
  #some: Set<Caller> | undefined;
  /** Looked up often; undefined: not known. */
  #first: Caller | undefined;

  get size(): number {
    return this.#some?.size ?? 0;
  }

  get head(): Caller | undefined {
    this.#first ??= this.#some?.values().next().value;
    return this.#first;
  }

  [Symbol.iterator](): Iterator<Caller> {
    return this.#callers[Symbol.iterator]();
  }

  join(caller: Caller): void {
    this.#some ??= new Set();
    this.#some.add(caller);
  }

  /** True if it stood here. */
  leave(caller: Caller): boolean {
    return this.#remove(caller);
  }

  /** They were to have their turn and had not: they come before all others. */
  putBack(callers: readonly Caller[]): void {
    this.#first = undefined;
    if (callers.length > 0) this.#some = new Set([...callers, ...this.#callers]);
  }

  /** How many at the head one grant could serve. Counted without a list: an ask is made more often than it is granted. */
  runLength(settings: Settings, max: number): number {
    let length = 0;
    for (const caller of this.#callers) {
      if (length >= max || !sameWant(caller.settings, settings)) break;
      length += 1;
    }
    return length;
  }

  /** Takes whoever is first. */
  takeHead(): Caller | undefined {
    const { head } = this;
    if (head !== undefined) this.#remove(head);
    return head;
  }

  /** Takes those at the head that one grant can serve. */
  takeRun(settings: Settings, max: number): Caller[] {
    const run: Caller[] = [];
    for (const caller of this.#callers) {
      if (run.length >= max || !sameWant(caller.settings, settings)) break;
      run.push(caller);
    }
    for (const caller of run) this.#remove(caller);
    return run;
  }

  /** Takes all, or all that want this. */
  takeAll(want?: Want): Caller[] {
    const taken = [...this.#callers].filter(({ settings }) => want === undefined || sameWant(settings, want));
    for (const caller of taken) this.#remove(caller);
    return taken;
  }

  get #callers(): Iterable<Caller> {
    return this.#some ?? nobody;
  }

  #remove(caller: Caller): boolean {
    const found = this.#some?.delete(caller) === true;
    if (this.#first === caller) this.#first = undefined;
    if (this.#some?.size === 0) this.#some = undefined;
    return found;
  }
}
