import { detached } from './detached.js';
import type { StoreContext } from './giving-back.js';
import type { Answer, Asker } from './waiting.js';

const none: readonly never[] = [];

/** The queue that they are made for. */
export interface AsksHost {
  readonly store: StoreContext;
  /** One has come to its end. */
  partOver(): void;
}

/** All asks of a queue that have not come to their end, also those that were given up during a call. */
export class Asks {
  readonly #host: AsksHost;
  #running: readonly Asker[] = none;
  /** When an ask that the store had answered came to its end. */
  #heardOfAtMs = Number.NEGATIVE_INFINITY;

  constructor(host: AsksHost) {
    this.#host = host;
  }

  get size(): number {
    return this.#running.length;
  }

  /** Whether the store has said anything in answer to an ask that has ended since. */
  heardOfSince(ms: number): boolean {
    return this.#heardOfAtMs >= ms;
  }

  giveUp(): void {
    for (const asker of this.#running) asker.giveUp();
  }

  run(asker: Asker, answered: (answer: Answer) => void, failed: (error: unknown) => void): void {
    this.#running = this.#running.length === 0 ? [asker] : [...this.#running, asker];
    // Taken out in the same step in which the answer takes effect: in between, the queue would look idle.
    const over = <T>(settle: (value: T) => void) => {
      return (value: T) => {
        this.#running = this.#running.length === 1 ? none : this.#running.filter((each) => each !== asker);
        if (asker.heardOf) this.#heardOfAtMs = this.#host.store.ports.now().monotonicMs;
        settle(value);
        this.#host.partOver();
      };
    };
    detached(() => asker.start(over(answered), over(failed)));
  }
}
