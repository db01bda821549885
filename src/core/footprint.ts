import type { Trace } from './giving-back.js';

/** The owner of an ask, and what the store may have of it: what has to be withdrawn when the ask is given up. */
export class Footprint {
  readonly owner: string;
  /** A call ended without an answer: it may take effect later, also after one that was answered. */
  uncertain = false;
  #calling = false;
  #trace: Trace | undefined;

  constructor(owner: string) {
    this.owner = owner;
  }

  sent(enqueue: boolean): void {
    this.#calling = true;
    if (enqueue) this.#trace ??= 'place';
  }

  granted(): void {
    this.#calling = false;
    this.#trace = 'lock';
  }

  refused(): void {
    this.#calling = false;
  }

  /** `outright`: the store said that it did nothing. */
  failed(outright: boolean): void {
    this.#calling = false;
    if (outright) return;
    this.#trace = 'lock';
    this.uncertain = true;
  }

  /** What is to be withdrawn now; asked again, only what has come since. */
  take(): Trace | undefined {
    // Whatever is on its way may take effect after we have left.
    const trace = this.#calling ? 'lock' : this.#trace;
    this.#trace = undefined;
    return trace;
  }
}
