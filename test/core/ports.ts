import type { Instant, Ports, Timer } from '../../src/core/clock.js';

interface Entry {
  readonly atMs: number;
  readonly fn: () => void;
  readonly idle: boolean;
}

/** Lets everything run that waits for nothing but promises. */
export function settled(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** Three clocks and their timers, moved by hand. */
export class ManualPorts implements Ports {
  readonly warnings: string[] = [];
  readonly #timers = new Set<Entry>();
  #monotonicMs = 1_000;
  #uptimeMs = 5_000;
  #wallMs = 1_000_000;
  #owners = 0;

  readonly now = (): Instant => ({ monotonicMs: this.#monotonicMs, uptimeMs: this.#uptimeMs, wallMs: this.#wallMs });

  /** Timers that still keep the process alive. */
  get pending(): number {
    return [...this.#timers].filter(({ idle }) => !idle).length;
  }

  timer(delayMs: number, fn: () => void, idle = false): Timer {
    const entry = { atMs: this.#monotonicMs + delayMs, fn, idle };
    this.#timers.add(entry);
    return { cancel: () => void this.#timers.delete(entry) };
  }

  randomOwner(): string {
    this.#owners += 1;
    return `owner-${this.#owners}`;
  }

  random(): number {
    return 0.5;
  }

  identity() {
    return { host: 'here', pid: 1, bootId: 'boot', startedAt: '1', nonce: 'nonce' };
  }

  readonly warn = (message: string): void => {
    this.warnings.push(message);
  };

  /** Time goes by and every timer fires when it is due. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.#monotonicMs + ms;
    await settled();
    for (;;) {
      const due = [...this.#timers].sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined || due.atMs > untilMs) break;
      this.#timers.delete(due);
      this.stall(Math.max(0, due.atMs - this.#monotonicMs));
      due.fn();
      await settled();
    }
    this.stall(untilMs - this.#monotonicMs);
    await settled();
  }

  /** Time goes by and no timer fires: the event loop stands still. */
  stall(ms: number): void {
    this.#monotonicMs += ms;
    this.#uptimeMs += ms;
    this.#wallMs += ms;
  }

  /** The machine sleeps: the monotonic clock does, too. */
  suspend(ms: number): void {
    this.#uptimeMs += ms;
    this.#wallMs += ms;
  }

  stepWallClock(ms: number): void {
    this.#wallMs += ms;
  }
}
