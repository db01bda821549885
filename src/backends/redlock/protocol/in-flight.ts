import type { Ports } from '../../../core/clock.js';

/** Requests that are out, each until its answer or deadline. */
export class InFlight {
  #count = 0;
  #whenNone: (() => void)[] = [];

  add(): void {
    this.#count += 1;
  }

  settled(): void {
    this.#count -= 1;
    if (this.#count > 0) return;
    for (const tell of this.#whenNone.splice(0)) tell();
  }

  /** Waits until there is none, but not longer than that. */
  none(ports: Ports, withinMs: number): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = ports.timer(withinMs, resolve);
      this.#whenNone.push(() => {
        timer.cancel();
        resolve();
      });
    });
  }
}
