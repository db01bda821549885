import { type Caller, sameWant } from './caller.js';
import type { Settings } from './options.js';
import type { Want } from './waiting.js';

/** The callers of this process that wait for one name, in order of arrival. */
export class Line {
  /** A set: leaving from the middle is cheap. */
  #callers = new Set<Caller>();

  get size(): number {
    return this.#callers.size;
  }

  get head(): Caller | undefined {
    for (const caller of this.#callers) return caller;
    return undefined;
  }

  [Symbol.iterator](): Iterator<Caller> {
    return this.#callers.values();
  }

  join(caller: Caller): void {
    this.#callers.add(caller);
  }

  /** True if it stood here. */
  leave(caller: Caller): boolean {
    return this.#callers.delete(caller);
  }

  /** They were to have their turn and had not: they come before all others. */
  putBack(callers: readonly Caller[]): void {
    if (callers.length > 0) this.#callers = new Set([...callers, ...this.#callers]);
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

  /** Takes those at the head that one grant can serve. */
  takeRun(settings: Settings, max: number): Caller[] {
    const run: Caller[] = [];
    for (const caller of this.#callers) {
      if (run.length >= max || !sameWant(caller.settings, settings)) break;
      run.push(caller);
    }
    for (const caller of run) this.#callers.delete(caller);
    return run;
  }

  /** Takes all, or all that want this. */
  takeAll(want?: Want): Caller[] {
    const taken = [...this.#callers].filter(({ settings }) => want === undefined || sameWant(settings, want));
    for (const caller of taken) this.#callers.delete(caller);
    return taken;
  }
}
