/** Where requests come in: open, shut, or with a queue before it. */
export class Door {
  #down: 'no' | 'silent' | 'refusing' = 'no';
  #paused = 0;
  #backlog: (() => void)[] = [];

  /** Runs a request as it arrives. `refuse` is called if the store is down and says so. */
  receive(run: () => void, refuse: () => void): void {
    if (this.#down === 'silent') return;
    if (this.#down === 'refusing') refuse();
    else if (this.#paused > 0) this.#backlog.push(run);
    else run();
  }

  shut(how: 'silent' | 'refusing'): void {
    this.#down = how;
  }

  open(): void {
    this.#down = 'no';
  }

  /** Those that come from now on wait. */
  pause(): void {
    this.#paused += 1;
  }

  resume(): void {
    if (this.#paused === 0) return;
    this.#paused -= 1;
    if (this.#paused > 0) return;
    const backlog = this.#backlog;
    this.#backlog = [];
    for (const run of backlog) run();
  }
}
