/** Does several things at a time, and no more than so many. */
export class Abreast {
  readonly #most: number;
  readonly #running = new Set<Promise<void>>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Begins once there is room. The work must not reject. */
  async start(work: () => Promise<void>): Promise<void> {
    while (this.#running.size >= this.#most) await Promise.race(this.#running);
    const run: Promise<void> = work().finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  async ended(): Promise<void> {
    await Promise.all(this.#running);
  }
}
