import { type Context, context } from '@opentelemetry/api';
import { whenIdle } from './when-idle.js';

/**
 * What is to be told to the SDK, in its order, but not now: when the process waits, or somebody asks for all of it. Telling takes
 * longer than most callbacks, and who waits for a lock, or for the store, does not wait for it as well.
 */
export class Steps {
  readonly #context: Context;
  #due: (() => void)[] = [];
  #trouble: { readonly error: unknown } | undefined;

  /** @param inside what the SDK finds active meanwhile: not that of the callback, which may be waiting for these very steps */
  constructor(inside: Context) {
    this.#context = inside;
  }

  later(step: () => void): void {
    if (this.#due.push(step) === 1) whenIdle(this.catchUp);
  }

  /** @throws what the first step threw that did; it has stopped no other */
  now(): void {
    this.catchUp();
    const trouble = this.#trouble;
    this.#trouble = undefined;
    if (trouble !== undefined) throw trouble.error;
  }

  /** Takes all steps. What they throw is kept for `now`: whoever calls this has nothing to do with it. */
  readonly catchUp = (): void => {
    if (this.#due.length > 0) this.#try(() => context.with(this.#context, this.#takeAll));
  };

  readonly #takeAll = (): void => {
    while (this.#due.length > 0) {
      const steps = this.#due;
      this.#due = [];
      for (const step of steps) this.#try(step);
    }
  };

  #try(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#trouble ??= { error };
    }
  }
}
